"""The examples of R-CNN's three learners: each has its own idea of a positive (Girshick et al. 2014, appendix B).

network      regions with IoU >= 0.5 with an object, and others below that
SVMs         the objects' own boxes, and regions with IoU < 0.3 with all objects of the class; between: ignored
regression   regions with IoU > 0.6, towards the object that they overlap most
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_convert, box_iou

from leyden.data.columns import Target
from leyden.data.splits import Split
from leyden.detection.boxes.box_coder import encode
from leyden.detection.nets.rcnn import CropFeatures

NEGATIVE_IOU = 0.3
"""A region whose IoU with each object of a class is less is a negative of the class's SVM."""
NEAR_IOU = 0.6
"""A region that overlaps an object more is an example of the regression."""
NO_VARIANCES = (1.0, 1.0)
"""The regression whitens its offsets, so ``encode`` divides them by nothing."""


class SampledRegions(NamedTuple):
    """The regions that the network learns in one step."""

    boxes: Tensor
    """(N, 4) xyxy pixels."""
    image: Tensor
    """(N,) int64 image of each."""
    classes: Tensor
    """(N,) int64: 0 for background, c + 1 for an object of class c."""


class Labels(NamedTuple):
    """What the regions of one image are to the SVMs and to the regression."""

    labels: Tensor
    """(n,) int64 class of the regions that are objects themselves, -1 for proposals."""
    negative: Tensor
    """(n, C) bool: far from all objects of the class."""
    near: Tensor
    """(n,) bool: near an object."""
    offsets: Tensor
    """(m, 4) from the regions near an object to that object."""
    near_labels: Tensor
    """(m,) int64 classes of those objects."""


class RegionExamples(NamedTuple):
    """What SVMs and regression learn from; on the CPU, features as float16."""

    features: Tensor
    """(N, F) of the regions of all images, image by image."""
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


class Examples(NamedTuple):
    """The examples of many images."""

    regions: RegionExamples
    counts: list[int]
    """Regions of each image."""
    feature_norm: float
    """Mean norm of the features of all N regions."""
    pooled_norm: float
    """Mean norm of their pooled features."""


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


def sample_regions(targets: list[Target], classes: int, positives: int, negatives: int, iou: float) -> SampledRegions:
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
    positive = best >= iou
    order = torch.randperm(len(positive), device=positive.device)
    chosen = torch.cat([order[positive[order]][:positives], order[~positive[order]][:negatives]])
    image = torch.cat([torch.full((len(boxes),), i, device=positive.device) for i, boxes in enumerate(regions)])
    return SampledRegions(torch.cat(regions)[chosen], image[chosen], torch.where(positive, label + 1, 0)[chosen])


@torch.no_grad()
def gather_examples(
    split: Split,
    images: Tensor,
    batch_size: int,
    classes: int,
    features_of: Callable[[Tensor, list[Tensor]], CropFeatures],
) -> Examples:
    """The examples of some images of a split.

    Args:
        split: uint8 images, and targets with proposals.
        images: (n,) int64 their numbers.
        batch_size: images that the network gets together.
        classes: C.
        features_of: uint8 images (B, C, S, S) and the boxes (n, 4) in each to their features.
    """
    parts: list[RegionExamples] = []
    counts: list[int] = []
    norms = torch.zeros(2, dtype=torch.float64)
    for indices in images.split(batch_size):
        examples = [split[i] for i in indices.tolist()]
        targets = [target for _, target in examples]
        boxes = [regions_of(target) for target in targets]
        found = features_of(torch.stack([image for image, _ in examples]), boxes)
        norms += torch.stack([x.norm(dim=1).sum() for x in (found.features, found.pooled)]).double().cpu()
        sizes = [len(part) for part in boxes]
        columns = (found.features.half().cpu().split(sizes), found.pooled.half().cpu().split(sizes))
        for own, target, features, pooled in zip(boxes, targets, *columns, strict=True):
            label = label_regions(own.cpu(), {key: value.cpu() for key, value in target.items()}, classes)
            parts.append(
                RegionExamples(
                    features, label.labels, label.negative, pooled[label.near], label.offsets, label.near_labels
                )
            )
        counts += sizes
    regions = RegionExamples(*(torch.cat(column) for column in zip(*parts, strict=True)))
    feature_norm, pooled_norm = (norms / max(1, len(regions.labels))).tolist()
    return Examples(regions, counts, feature_norm, pooled_norm)


def label_regions(boxes: Tensor, target: Target, classes: int) -> Labels:
    """What the regions of an image are to the SVMs and to the regression.

    Args:
        boxes: (n, 4) xyxy, the objects first.
        target: the objects.
        classes: C.
    """
    objects = target["labels"]
    labels = torch.full((len(boxes),), -1)
    labels[: len(objects)] = objects
    negative = class_overlap(boxes, target, classes) < NEGATIVE_IOU
    if len(objects) == 0:
        return Labels(labels, negative, labels >= 0, torch.zeros(0, 4), objects)
    best, nearest = box_iou(boxes, target["boxes"]).max(1)
    near = best > NEAR_IOU
    own = nearest[near]
    offsets = encode(target["boxes"][own], box_convert(boxes[near], "xyxy", "cxcywh"), NO_VARIANCES)
    return Labels(labels, negative, near, offsets, objects[own])
