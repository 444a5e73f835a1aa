"""Recall of a detector's proposals, whatever the classes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from leyden.metrics.detection.accumulator import Boxes, ignored
from leyden.metrics.detection.matches import overlaps


def proposal_recall(
    proposals: Sequence[Tensor], targets: Sequence[Boxes], counts: Sequence[int], ious: Sequence[float] = (0.5,)
) -> Tensor:
    """The share of objects that one of an image's first n proposals overlaps enough (Hosang et al. 2016, section 4).

    The class does not count, and one proposal may reach several objects. The mean over IoU 0.5, 0.55 .. 0.95 is their
    average recall, which predicts how good a detector on them can be.

    Args:
        proposals: of each image (p, 4) xyxy, best first; there may be fewer than n.
        targets: of each image; difficult objects and crowds do not count.
        counts: the numbers n, each at least 1.
        ious: least overlaps.

    Returns:
        (len(counts), len(ious)) float64 in [0, 1]; NaN where there are no objects at all.

    Raises:
        ValueError: a count below 1, or proposals and targets differ in number.
    """
    if min(counts, default=0) < 1:
        raise ValueError(f"recall needs counts of 1 and more, got {list(counts)}")
    reached = []
    for boxes, target in zip(proposals, targets, strict=True):
        objects = target["boxes"][~ignored(target)]
        if len(boxes) == 0:
            reached.append(torch.zeros(len(counts), len(objects), dtype=torch.float64))
            continue
        best = overlaps(boxes, objects).cummax(0).values
        reached.append(best[torch.tensor(counts).clamp(max=len(boxes)) - 1])
    best = torch.cat(reached, 1) if reached else torch.zeros(len(counts), 0)
    return torch.stack([(best >= iou).double().mean(1) for iou in ious], 1)
