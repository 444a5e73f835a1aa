"""Average precision by the rules of PASCAL VOC (Everingham et al. 2010; the development kit's VOCevaldet.m).

Other than with COCO, a detection looks only at the object of its class that it overlaps *most*, whether or not that one
has been found before: a second detection of it is wrong, even where another object would still be free.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_iou

from leyden.metrics.coco_ap import Boxes


def voc_ap(
    answers: Sequence[Boxes], truths: Sequence[Boxes], classes: int, iou: float = 0.5, points: int | None = None
) -> Tensor:
    """Average precision of each class over all images together.

    Args:
        answers: {"boxes" (n, 4) xyxy, "labels" (n,), "scores" (n,)} of each image.
        truths: {"boxes", "labels"} of each image, where known with "difficult" (n,) bool: whether or not such an
            object is found, it does not count.
        classes: how many; labels are 0 .. classes - 1.
        iou: a detection must overlap its object by more than this.
        points: null: the whole area below the curve (VOC 2010 on); 11: the mean at recalls 0, 0.1 .. 1 (VOC 2007).

    Returns:
        (classes,) in [0, 1]; NaN for classes without (countable) objects.
    """
    labels = _all([truth["labels"] for truth in truths])
    hard = _all([truth.get("difficult", torch.zeros_like(truth["labels"])).bool() for truth in truths])
    answered, scores = _all([a["labels"] for a in answers]), _all([a["scores"] for a in answers])
    best, overlap = _nearest(answers, truths)
    result = torch.full((classes,), torch.nan)
    for label in range(classes):
        objects = int((~hard[labels == label]).sum())
        if objects == 0:
            continue
        mine = np.flatnonzero(answered == label)
        mine = mine[np.argsort(-scores[mine], kind="stable")]
        found = overlap[mine] > iou
        ignored = found.copy()
        ignored[found] = hard[best[mine][found]]
        first = np.zeros(len(mine), dtype=bool)
        _, where = np.unique(best[mine][found], return_index=True)
        first[np.flatnonzero(found)[where]] = True
        result[label] = _area(first[~ignored], objects, points)
    return result


def _all(parts: list[Tensor]) -> np.ndarray:
    return torch.cat(parts).numpy() if parts else np.zeros(0)


def _nearest(answers: Sequence[Boxes], truths: Sequence[Boxes]) -> tuple[np.ndarray, np.ndarray]:
    """For each detection the object of its class that it overlaps most, counted over all images, and how much."""
    best, overlap, before = [], [], 0
    for answer, truth in zip(answers, truths, strict=True):
        if len(truth["labels"]) == 0:
            overlap.append(torch.zeros(len(answer["labels"])))
            best.append(torch.zeros(len(answer["labels"]), dtype=torch.int64))
            continue
        shared = box_iou(answer["boxes"], truth["boxes"])
        shared[answer["labels"][:, None] != truth["labels"]] = 0
        values, places = shared.max(1)
        overlap.append(values)
        best.append(places + before)
        before += len(truth["labels"])
    return _all(best).astype(np.int64), _all(overlap)


def _area(right: np.ndarray, objects: int, points: int | None) -> float:
    """The area below precision over recall of detections that are ``right`` or not, the surest first."""
    hits = right.cumsum()
    recall, precision = hits / objects, hits / np.arange(1, len(right) + 1)
    if points is not None:
        levels = np.linspace(0, 1, points)
        # 0.3 written as 3 * 0.1 is a little more than 3 / 10: a recall that is reached must not be missed for that.
        return float(np.mean([precision[recall >= level - 1e-9].max(initial=0) for level in levels]))
    monotonous = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0) * monotonous).sum())
