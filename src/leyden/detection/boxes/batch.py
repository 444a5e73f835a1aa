"""The objects of a batch of images as one padded tensor.

Corners are continuous: width = x2 - x1, without the "+ 1" of the Caffe era.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from leyden.data.columns import Target

Detections = dict[str, Tensor]
"""What a detector finds in an image: {"boxes": (n, 4) float32 xyxy pixels, "labels": (n,) int64, "scores": (n,)}."""


class PaddedTargets(NamedTuple):
    """The objects of B images, padded to the greatest number M of them."""

    boxes: Tensor
    """(B, M, 4) xyxy; (0, 0, 1, 1) where there is no object."""
    labels: Tensor
    """(B, M) int64; 0 where there is no object."""
    valid: Tensor
    """(B, M) bool: an object is there."""


def pad_targets(targets: list[Target], scale: float = 1.0) -> PaddedTargets:
    """The objects of a batch, padded to equal number; boxes are multiplied by ``scale``. M is at least 1."""
    counts = torch.tensor([len(target["labels"]) for target in targets])
    valid = torch.arange(max(1, int(counts.max()))) < counts[:, None]
    device = targets[0]["boxes"].device
    valid = valid.to(device)
    boxes = torch.tensor([0.0, 0.0, 1.0, 1.0], device=device).repeat(*valid.shape, 1)
    labels = torch.zeros(valid.shape, dtype=torch.int64, device=device)
    boxes[valid] = torch.cat([target["boxes"] for target in targets]).float() * scale
    labels[valid] = torch.cat([target["labels"] for target in targets])
    return PaddedTargets(boxes, labels, valid)
