"""A look at every shape of a source of volumes: how full they are, empty ones, and copies across splits."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from leyden.data.issues import DataIssue
from leyden.data.source import Source
from leyden.data.splits import Split, Stage


@dataclass(frozen=True)
class VolumeInspection:
    """What was seen."""

    splits: dict[Stage, Split]
    counts: dict[Stage, Tensor]
    """(classes,) int64 shapes of each class, for each split."""
    occupied: dict[Stage, Tensor]
    """(N,) share of the voxels that are occupied, of each shape."""
    issues: list[DataIssue]


def inspect_volumes(source: Source) -> VolumeInspection:
    """Looks at every shape once.

    Args:
        source: of volumes with silhouettes.
    """
    splits, issues = source.inspect()
    issues = list(issues)
    counts, occupied = {}, {}
    first: dict[bytes, tuple[Stage, int]] = {}
    for stage, split in splits.items():
        labels, shares = torch.zeros(len(split), dtype=torch.int64), torch.zeros(len(split))
        for number in range(len(split)):
            example, place = split[number], Path(f"{stage} {number}")
            labels[number], shares[number] = example.labels, example.volumes.float().mean()
            flat = example.silhouettes.flatten(1).any(1)
            if not example.volumes.any() or not flat.all():
                what = (
                    "has no voxel"
                    if not example.volumes.any()
                    else f"is not seen from view {int((~flat).nonzero()[0])}"
                )
                issues.append(DataIssue("empty shape", "warning", place, None, what))
            before = first.setdefault(hashlib.blake2b(example.volumes.numpy().tobytes()).digest(), (stage, number))
            if before[0] != stage:
                what = f"is the very shape of {before[0]} {before[1]}"
                issues.append(DataIssue("shape of two splits", "warning", place, None, what))
        counts[stage], occupied[stage] = labels.bincount(minlength=max(1, len(source.class_names))), shares
    return VolumeInspection(splits, counts, occupied, issues)
