"""Who was taken for whom by a detector, and what was taken for background."""

from collections.abc import Sequence

import torch
from torch import Tensor

from leyden.metrics.detection.accumulator import Boxes
from leyden.metrics.detection.matches import IGNORED, match_detections, missed


def detection_confusion(
    answers: Sequence[Boxes], truths: Sequence[Boxes], classes: int, score: float = 0.5, iou: float = 0.5
) -> Tensor:
    """Counts of what objects were answered to be.

    The surest answer takes the free object that it overlaps most, of whatever class; so a class that is wrong counts in
    its cell, and not as a miss and a false alarm. An answer without an object stands in the last row, an object without
    an answer in the last column. Difficult objects, crowds and what lies on them are left out.

    Args:
        answers: of each image.
        truths: of each image.
        classes: how many; labels are 0 .. classes - 1.
        score: answers that are less sure are left out.
        iou: least overlap of an answer with its object.

    Returns:
        (classes + 1, classes + 1) int64; row = truth, column = answer, background last in both.
    """
    cells = []
    for answer, truth in zip(answers, truths, strict=True):
        sure = answer["scores"] >= score
        answer = {key: value[sure] for key, value in answer.items()}
        found = match_detections(answer, truth, iou, by_class=False)
        labels = torch.cat([truth["labels"], torch.tensor([classes])])  # NOTHING, -1, is background
        counting = found != IGNORED
        cells.append(labels[found[counting]] * (classes + 1) + answer["labels"][counting])
        cells.append(truth["labels"][missed(truth, found)] * (classes + 1) + classes)
    every = torch.cat(cells) if cells else torch.zeros(0, dtype=torch.int64)
    return torch.bincount(every, minlength=(classes + 1) ** 2).view(classes + 1, classes + 1)
