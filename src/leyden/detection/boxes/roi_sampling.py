"""The RoIs that a step of Fast and Faster R-CNN learns from (Girshick 2015, section 2.3)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_iou

from leyden.data.columns import Target
from leyden.detection.boxes.sampling import sample


class SampledRoIs(NamedTuple):
    """The RoIs that a step learns from."""

    proposals: list[Tensor]
    """Of each image, (n, 4) xyxy pixels."""
    classes: Tensor
    """(N,) int64, image by image: 0 for background, c + 1 for an object of class c."""
    boxes: Tensor
    """(N, 4) xyxy pixels of the object that each RoI overlaps most; its own where there is none."""


def label_rois(rois: Tensor, target: Target, foreground: float, background: Sequence[float]) -> tuple[Tensor, Tensor]:
    """The class of each RoI of an image, and its object (Girshick 2015, section 2.3, mini-batch sampling).

    Args:
        rois: (R, 4) xyxy.
        target: the image's objects.
        foreground: a RoI with at least this IoU shows the object that it overlaps most.
        background: of the others, those whose IoU lies in [low, high) are background. In an image without objects all
            are.

    Returns:
        (R,) int64 classes, c + 1 for class c, 0 for background, -1 for neither; (R, 4) xyxy of the object that each
        overlaps most, or the RoI's own where there is none.
    """
    if len(target["labels"]) == 0:
        return torch.zeros(len(rois), dtype=torch.int64, device=rois.device), rois
    overlap, index = box_iou(rois, target["boxes"]).max(1)
    low, high = background
    classes = torch.where((overlap >= low) & (overlap < high), 0, -1)
    return torch.where(overlap >= foreground, target["labels"][index] + 1, classes), target["boxes"][index]


def sample_rois(
    proposals: list[Tensor],
    targets: list[Target],
    count: int,
    positive_fraction: float,
    foreground: float,
    background: Sequence[float],
) -> SampledRoIs:
    """A random sample of each image's proposals and objects, which are RoIs too.

    Args:
        proposals: of each image, (n, 4) xyxy pixels; no gradient flows into them.
        targets: of each image.
        count: RoIs per image; there may be fewer.
        positive_fraction: at most this part of them show objects.
        foreground: see :func:`label_rois`.
        background: see :func:`label_rois`.
    """
    rois, classes, boxes = [], [], []
    for found, target in zip(proposals, targets, strict=True):
        all_rois = torch.cat([target["boxes"].float(), found.detach()])
        labels, objects = label_rois(all_rois, target, foreground, background)
        chosen = sample(labels[None], count, positive_fraction)[0].nonzero().flatten()
        rois.append(all_rois[chosen])
        classes.append(labels[chosen])
        boxes.append(objects[chosen])
    return SampledRoIs(rois, torch.cat(classes), torch.cat(boxes))
