"""What R-CNN's three learners learn from: each has its own idea of a positive (Girshick et al. 2014, appendix B).

network      regions with IoU >= 0.5 with an object, and others below that
SVMs         the objects' own boxes, and regions with IoU < 0.3 with all objects of the class; between: ignored
regression   regions with IoU > 0.6, towards the object that they overlap most
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_convert, box_iou

from leyden.data.splits import Split
from leyden.detection.boxes.batch import Target
from leyden.detection.boxes.box_coder import encode
from leyden.detection.nets.rcnn import Seen

NEGATIVE_IOU = 0.3
"""What overlaps each object of a class less is a negative of its SVM."""
NEAR_IOU = 0.6
"""What overlaps an object more teaches the regression."""
PLAIN = (1.0, 1.0)
"""The regression's offsets are whitened, so ``encode`` divides them by nothing."""


class Drawn(NamedTuple):
    """The regions that the network learns in one step."""

    boxes: Tensor
    """(N, 4) xyxy pixels."""
    which: Tensor
    """(N,) int64 image of each."""
    classes: Tensor
    """(N,) int64: 0 for background, c + 1 for an object of class c."""


class Examples(NamedTuple):
    """What SVMs and regression learn from; on the CPU, features as float16."""

    features: Tensor
    """(N, F) of the regions of all images, image by image."""
    counts: list[int]
    """Regions of each image."""
    labels: Tensor
    """(N,) int64 class of the regions that are objects themselves, -1 for proposals."""
    negative: Tensor
    """(N, C) bool: far from all objects of the class."""
    near: Tensor
    """(M, P) pooled features of the regions near an object."""
    offsets: Tensor
    """(M, 4) from those to their objects."""
    near_labels: Tensor
    """(M,) int64 classes of their objects."""
    norms: tuple[float, float]
    """Mean norm of the features, and of the pooled ones, of all N regions."""


def class_overlap(boxes: Tensor, target: Target, classes: int) -> Tensor:
    """The greatest IoU of boxes (n, 4) with the objects of each class: (n, C), 0 where there are none."""
    iou = box_iou(boxes, target["boxes"])
    labels = target["labels"].expand(len(boxes), -1)
    return iou.new_zeros(len(boxes), classes).scatter_reduce_(1, labels, iou, "amax")


def regions_of(target: Target) -> Tensor:
    """The objects of an image, then its proposals, (n, 4).

    Raises:
        ValueError: there are no proposals.
    """
    if "proposals" not in target:
        raise ValueError("R-CNN learns from proposals, and this data has none: set data.proposals=selective_search")
    return torch.cat([target["boxes"], target["proposals"]])


def draw(targets: list[Target], classes: int, positives: int, negatives: int, iou: float) -> Drawn:
    """Random regions of some images, objects first.

    Args:
        targets: of the images, with proposals.
        classes: C.
        positives: regions that overlap an object by ``iou``, at most.
        negatives: other regions, at most.
        iou: least overlap of a positive.
    """
    regions = [regions_of(target) for target in targets]
    overlaps = [class_overlap(boxes, target, classes) for boxes, target in zip(regions, targets, strict=True)]
    best, label = torch.cat(overlaps).max(1)
    there = best >= iou
    order = torch.randperm(len(there), device=there.device)
    chosen = torch.cat([order[there[order]][:positives], order[~there[order]][:negatives]])
    which = torch.cat([torch.full((len(boxes),), i, device=there.device) for i, boxes in enumerate(regions)])
    return Drawn(torch.cat(regions)[chosen], which[chosen], torch.where(there, label + 1, 0)[chosen])


@torch.no_grad()
def gather(
    split: Split,
    images: Tensor,
    at_once: int,
    classes: int,
    see: Callable[[Tensor, list[Tensor]], Seen],
) -> Examples:
    """The examples of some images.

    Args:
        split: uint8 images, and targets with proposals.
        images: (n,) int64 their numbers.
        at_once: images that the network gets together.
        classes: C.
        see: uint8 images (B, C, S, S) and the boxes (n, 4) in each to what the network sees there.
    """
    columns: list[list[Tensor]] = [[] for _ in range(6)]
    counts, sums = [], torch.zeros(2, dtype=torch.float64)
    for part in images.split(at_once):
        pairs = [split[i] for i in part.tolist()]
        regions = [regions_of(target) for _, target in pairs]
        seen = see(torch.stack([image for image, _ in pairs]), regions)
        sums += torch.stack([x.norm(dim=1).sum() for x in (seen.features, seen.pooled)]).double().cpu()
        features, pooled = seen.features.half().cpu(), seen.pooled.half().cpu()
        counts += [len(boxes) for boxes in regions]
        start = 0
        for boxes, (_, target) in zip(regions, pairs, strict=True):
            stop = start + len(boxes)
            labels, negative, near, offsets, near_labels = _lessons(boxes.cpu(), _on_cpu(target), classes)
            row = (features[start:stop], labels, negative, pooled[start:stop][near], offsets, near_labels)
            for column, value in zip(columns, row, strict=True):
                column.append(value)
            start = stop
    features, labels, negative, near, offsets, near_labels = (torch.cat(column) for column in columns)
    feature_norm, pooled_norm = (sums / max(1, len(labels))).tolist()
    return Examples(features, counts, labels, negative, near, offsets, near_labels, (feature_norm, pooled_norm))


def _lessons(boxes: Tensor, target: Target, classes: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Of one image: labels (n,), negative (n, C), near (n,) bool, and of those offsets (m, 4) and labels (m,)."""
    objects = target["labels"]
    labels = torch.full((len(boxes),), -1)
    labels[: len(objects)] = objects
    negative = class_overlap(boxes, target, classes) < NEGATIVE_IOU
    if len(objects) == 0:
        return labels, negative, labels >= 0, torch.zeros(0, 4), objects
    best, nearest = box_iou(boxes, target["boxes"]).max(1)
    near = best > NEAR_IOU
    own = nearest[near]
    offsets = encode(target["boxes"][own], box_convert(boxes[near], "xyxy", "cxcywh"), PLAIN)
    return labels, negative, near, offsets, objects[own]


def _on_cpu(target: Target) -> Target:
    return {key: value.cpu() for key, value in target.items()}
