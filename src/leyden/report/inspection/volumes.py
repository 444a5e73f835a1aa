"""What ``leyden check-data`` tells of volumes: counts, how full they are, and a sheet of shapes with silhouettes."""

import torch
from torch import Tensor

from leyden.data.inspection.volumes import VolumeInspection
from leyden.data.issues import printable
from leyden.data.source import Source
from leyden.report.text import markdown_table
from leyden.visualization.generated.voxels import draw_silhouette, draw_voxels
from leyden.visualization.labelled import draw_sheet

SHOWN = 12
"""Shapes on the sheet."""
SIDE = 128


def volume_tables(source: Source, seen: VolumeInspection) -> list[str]:
    """Tables: how full the shapes of each split are, and how many there are of each class."""
    quantiles = torch.tensor([0.0, 0.5, 1.0])
    full = [
        [stage, f"{len(shares):,}", *(f"{value:.1%}" for value in shares.quantile(quantiles).tolist())]
        for stage, shares in seen.occupied.items()
    ]
    classes = [
        [printable(name), *(f"{int(seen.counts[stage][i]):,}" for stage in seen.splits)]
        for i, name in enumerate(source.class_names)
    ]
    header = ["split", "shapes", "least occupied", "half at most", "most"]
    return [markdown_table(header, full), markdown_table(["class", *seen.splits], classes)]


def volume_sheet(source: Source, seen: VolumeInspection) -> Tensor:
    """Some shapes of all splits, each beside its silhouettes: uint8 (3, H, W)."""
    places = [(stage, i) for stage, split in seen.splits.items() for i in range(len(split))]
    images, captions, columns = [], [], 1
    for k in range(min(SHOWN, len(places))):
        stage, number = places[k * len(places) // min(SHOWN, len(places))]
        example = seen.splits[stage][number]
        drawn = [draw_silhouette(silhouette, SIDE) for silhouette in example.silhouettes]
        images += [draw_voxels(example.volumes, side=SIDE), *drawn]
        captions += [f"{stage} {number}\n{printable(source.class_names[int(example.labels)])}", *[""] * len(drawn)]
        columns = 1 + len(drawn)
    return draw_sheet(images, captions, "there is no shape to show", columns=columns * max(1, 8 // columns), side=SIDE)
