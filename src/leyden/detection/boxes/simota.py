"""Which points of an anchor-free detector answer for which object, decided by what the network says at the moment."""

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_iou

from leyden.detection.boxes.batch import Padded
from leyden.detection.boxes.matching import BACKGROUND

SMALL = 1e-7
"""Keeps logarithms finite."""


class Assigned(NamedTuple):
    """What the points of B images are to say."""

    match: Tensor
    """(B, P) int64 object of each point, ``BACKGROUND`` (-1) where there is none."""
    iou: Tensor
    """(B, P) of what the point says with its object; 0 for background."""


@torch.no_grad()
def simota(
    boxes: Tensor,
    scores: Tensor,
    points: Tensor,
    things: Padded,
    radius: float = 1.5,
    most: int = 10,
    weight: float = 3,
) -> Assigned:
    """SimOTA (Ge et al. 2021, "YOLOX", https://arxiv.org/abs/2107.08430, section 2.1), for a whole batch at once.

    An object may have the points less than ``radius`` strides from its centre, on every map. It takes the k of least

        cost = sum_c BCE(sqrt(s_c), [c is its class]) - weight ln IoU,     k = sum of its ``most`` greatest IoUs, >= 1

    and a point that several objects take goes to the one of least cost, which may leave an object with none. So each
    object gets the points that already say it best, many where many say it well.

    Departures: points outside the radius are never taken and do not count for k (YOLOX's code adds 10^6 to their cost);
    a contested point goes to one of those that took it (there to the least cost of all objects).

    Args:
        boxes: (B, P, 4) predicted, xyxy.
        scores: (B, P, C) predicted, s in [0, 1].
        points: (P, 3) x, y and stride, in the unit of the boxes.
        things: objects of the B images, in that unit.
        radius: in strides, along x and along y.
        most: IoUs that are summed.
        weight: of the overlap's part of the cost.
    """
    centre = (things.boxes[..., :2] + things.boxes[..., 2:]) / 2
    distance = (points[:, :2] - centre[:, :, None]).abs().amax(3)
    near = (distance < radius * points[:, 2]) & things.real[..., None]
    iou = box_iou(things.boxes, boxes).masked_fill(~near, 0)
    root = scores.sqrt().clamp(SMALL, 1 - SMALL)
    yes, no = -root.log(), -(1 - root).log()
    # The cost of saying no to all classes, and what it changes to say yes to the object's.
    mine = things.labels[..., None].expand(-1, -1, len(points))
    classes = no.sum(2)[:, None] + (yes - no).transpose(1, 2).gather(1, mine)
    cost = (classes - weight * (iou + SMALL).log()).masked_fill(~near, torch.inf)
    most = min(most, len(points))
    count = iou.topk(most, 2).values.sum(2).long().clamp(min=1)
    least, places = cost.topk(most, 2, largest=False)
    taken = (torch.arange(most, device=cost.device) < count[..., None]) & (least < torch.inf)
    cost = cost.masked_fill(~torch.zeros_like(near).scatter_(2, places, taken), torch.inf)
    least, match = cost.min(1)
    free = least == torch.inf
    mine = iou.gather(1, match[:, None])[:, 0]
    return Assigned(match.masked_fill(free, BACKGROUND), mine.masked_fill(free, 0))
