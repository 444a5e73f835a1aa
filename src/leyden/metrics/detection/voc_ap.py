"""Average precision by the rules of PASCAL VOC (Everingham et al. 2010; the development kit's VOCevaldet.m).

Other than with COCO, a detection looks only at the object of its class that it overlaps *most*, whether or not that one
has been found before: a second detection of it is wrong, even where another object would still be free. And the overlap
must exceed 0.5, as the paper says and the Python evaluations in use do (the MATLAB code lets 0.5 itself pass).

The kit's corners are the numbers of the first and the last pixel, so its widths are x2 - x1 + 1. Here they are
continuous, as everywhere in Leyden: a reader of VOC's files that takes 1 from x1 and y1 alone gives the same overlaps.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from leyden.metrics.detection.accumulator import Boxes, ignored
from leyden.metrics.detection.average_precision import average_precision
from leyden.metrics.detection.matches import overlaps


def voc_ap(
    predictions: Sequence[Boxes], targets: Sequence[Boxes], classes: int, iou: float = 0.5, points: int | None = None
) -> Tensor:
    """Average precision of each class over all images together.

    Args:
        predictions: detections of each image.
        targets: objects of each image. Whether or not, and how often, a difficult one or a crowd is found does not
            count; VOC has no crowds, and other than COCO's rule this one asks for an overlap (IoU) with them too.
        classes: how many; labels are 0 .. classes - 1.
        iou: a detection must overlap its object by more than this.
        points: null: the whole area below the curve (VOC 2010 on); 11: the mean at recalls 0, 0.1 .. 1 (VOC 2007).

    Returns:
        (classes,) float64 in [0, 1]; NaN for classes without (countable) objects.
    """
    labels, hard = (
        _all([target["labels"] for target in targets]),
        _all([ignored(target) for target in targets]).astype(bool),
    )
    predicted, scores = _all([a["labels"] for a in predictions]), _all([a["scores"] for a in predictions])
    best, overlap = _nearest(predictions, targets)
    result = torch.full((classes,), torch.nan, dtype=torch.float64)
    for label in range(classes):
        objects = int((~hard[labels == label]).sum())
        if objects == 0:
            continue
        mine = np.flatnonzero(predicted == label)
        mine = mine[np.argsort(-scores[mine], kind="stable")]
        found = overlap[mine] > iou
        spared = found.copy()
        spared[found] = hard[best[mine][found]]
        first = np.zeros(len(mine), dtype=bool)
        _, where = np.unique(best[mine][found], return_index=True)
        first[np.flatnonzero(found)[where]] = True
        result[label] = average_precision(first[~spared], objects, points)
    return result


def _all(parts: list[Tensor]) -> np.ndarray:
    return torch.cat(parts).numpy() if parts else np.zeros(0)


def _nearest(predictions: Sequence[Boxes], targets: Sequence[Boxes]) -> tuple[np.ndarray, np.ndarray]:
    """For each detection the object of its class that it overlaps most, counted over all images, and how much."""
    best, overlap, before = [], [], 0
    for prediction, target in zip(predictions, targets, strict=True):
        if len(target["labels"]) == 0:
            overlap.append(torch.zeros(len(prediction["labels"]), dtype=torch.float64))
            best.append(torch.zeros(len(prediction["labels"]), dtype=torch.int64))
            continue
        shared = overlaps(prediction["boxes"], target["boxes"])
        shared[prediction["labels"][:, None] != target["labels"]] = 0
        values, places = shared.max(1)
        overlap.append(values)
        best.append(places + before)
        before += len(target["labels"])
    return _all(best).astype(np.int64), _all(overlap)
