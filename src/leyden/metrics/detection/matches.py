"""Which detection found which object, by COCO's rule; confusion and kinds of errors are counted from it."""

import numpy as np
import torch
from torch import Tensor

from leyden.metrics.detection.accumulator import Boxes, ignored

NOTHING, IGNORED = -1, -2
"""A detection that found no object; one on a difficult object or a crowd, which is neither right nor wrong."""


def overlaps(boxes: Tensor, others: Tensor, crowd: Tensor | None = None) -> Tensor:
    """Intersection over union; for crowds intersection over the area of the box, as COCO has it.

    Args:
        boxes: (n, 4) xyxy.
        others: (m, 4) xyxy.
        crowd: (m,) bool, which of them are crowds.

    Returns:
        (n, m) float64 in [0, 1]; 0 for two boxes without area.
    """
    boxes, others = boxes.double(), others.double()
    low = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(2)
    area, other_area = ((b[:, 2:] - b[:, :2]).clamp(min=0).prod(1) for b in (boxes, others))
    union = area[:, None] + other_area - shared
    if crowd is not None:
        union = torch.where(crowd, area[:, None], union)
    return shared / union.clamp(min=torch.finfo(torch.float64).tiny)


def match_detections(prediction: Boxes, target: Boxes, iou: float = 0.5, by_class: bool = True) -> Tensor:
    """The object that each detection of an image found: highest score first, each takes the free one it overlaps most.

    A detection that is left over is ignored if it lies on a difficult object (IoU) or on a crowd (share of its area),
    even if another one lies there too.

    Args:
        prediction: n detections.
        target: m objects.
        iou: least overlap.
        by_class: detection and object must have the same class.

    Returns:
        (n,) int64: the index of the object, ``NOTHING`` or ``IGNORED``, in the order of ``prediction``.
    """
    shared = overlaps(prediction["boxes"], target["boxes"], target.get("crowd"))
    if by_class:
        shared[prediction["labels"][:, None] != target["labels"]] = 0
    spared = ignored(target)
    rest = shared[:, spared]
    on_ignored = (rest >= iou).any(1).numpy() if rest.shape[1] else np.zeros(len(shared), bool)
    free = shared.masked_fill(spared, 0).numpy()
    found = np.where(on_ignored, IGNORED, NOTHING)
    candidates = free.max(1, initial=0) >= iou
    for i in np.argsort(-prediction["scores"].numpy(), kind="stable"):
        if candidates[i]:
            best = free[i].argmax()
            if free[i, best] >= iou:
                found[i] = best
                free[:, best] = 0
    return torch.from_numpy(found)


def missed(target: Boxes, found: Tensor) -> Tensor:
    """Which objects (m,) bool no detection found, less those that need not be found.

    Args:
        target: the image's objects.
        found: what ``match_detections`` returned.
    """
    result = ~ignored(target)
    result[found[found >= 0]] = False
    return result
