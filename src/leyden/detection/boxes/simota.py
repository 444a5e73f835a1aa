"""Assignment of an anchor-free detector's points to objects by its own current predictions (SimOTA)."""

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_iou

from leyden.detection.boxes.batch import PaddedTargets
from leyden.detection.boxes.matching import BACKGROUND

SMALL = 1e-7
"""Keeps logarithms finite."""


class Assignment(NamedTuple):
    """Which object each point of B images learns."""

    match: Tensor
    """(B, P) int64 object of each point, ``BACKGROUND`` (-1) where there is none."""
    iou: Tensor
    """(B, P) IoU of the point's predicted box with its object; 0 for background."""


@torch.no_grad()
def simota(
    boxes: Tensor,
    scores: Tensor,
    points: Tensor,
    objects: PaddedTargets,
    radius: float = 1.5,
    max_points: int = 10,
    iou_weight: float = 3,
) -> Assignment:
    """SimOTA (Ge et al. 2021, "YOLOX", https://arxiv.org/abs/2107.08430, section 2.1), for a whole batch at once.

    Candidates of an object are the points less than ``radius`` strides from its centre, on every map. It takes the k
    candidates of least

        cost = sum_c BCE(sqrt(s_c), [c is its class]) - iou_weight ln IoU,     k = sum of its ``max_points`` greatest
        IoUs, >= 1

    and a point that several objects take goes to the one of least cost, which may leave an object with none. So each
    object gets the points that already predict it best, many where many predict it well.

    Departures: points outside the radius are never taken and do not count for k (YOLOX's code adds 10^6 to their cost);
    a contested point goes to one of those that took it (there to the least cost of all objects).

    Args:
        boxes: (B, P, 4) predicted, xyxy.
        scores: (B, P, C) predicted, s in [0, 1].
        points: (P, 3) x, y and stride, in the unit of the boxes.
        objects: of the B images, in that unit.
        radius: in strides, along x and along y.
        max_points: IoUs that are summed.
        iou_weight: of the overlap's part of the cost.
    """
    centre = (objects.boxes[..., :2] + objects.boxes[..., 2:]) / 2
    distance = (points[:, :2] - centre[:, :, None]).abs().amax(3)
    near = (distance < radius * points[:, 2]) & objects.valid[..., None]
    iou = box_iou(objects.boxes, boxes).masked_fill(~near, 0)
    root = scores.sqrt().clamp(SMALL, 1 - SMALL)
    positive, negative = -root.log(), -(1 - root).log()
    # The cost if no class is the object's, and how it changes for the class that is.
    label = objects.labels[..., None].expand(-1, -1, len(points))
    classes = negative.sum(2)[:, None] + (positive - negative).transpose(1, 2).gather(1, label)
    cost = (classes - iou_weight * (iou + SMALL).log()).masked_fill(~near, torch.inf)
    max_points = min(max_points, len(points))
    count = iou.topk(max_points, 2).values.sum(2).long().clamp(min=1)
    least, places = cost.topk(max_points, 2, largest=False)
    taken = (torch.arange(max_points, device=cost.device) < count[..., None]) & (least < torch.inf)
    cost = cost.masked_fill(~torch.zeros_like(near).scatter_(2, places, taken), torch.inf)
    least, match = cost.min(1)
    free = least == torch.inf
    own_iou = iou.gather(1, match[:, None])[:, 0]
    return Assignment(match.masked_fill(free, BACKGROUND), own_iou.masked_fill(free, 0))
