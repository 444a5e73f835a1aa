"""Confusion matrix of a detector, with background as one more class."""

from collections.abc import Sequence

import torch
from torch import Tensor

from leyden.metrics.detection.accumulator import Boxes
from leyden.metrics.detection.matches import IGNORED, match_detections, missed


def detection_confusion(
    predictions: Sequence[Boxes], targets: Sequence[Boxes], classes: int, score: float = 0.5, iou: float = 0.5
) -> Tensor:
    """Counts of objects by true and predicted class.

    In the order of their scores, detections take the free object that they overlap most, of whatever class; so a wrong
    class counts in its cell, and not as a miss and a false alarm. A detection without an object counts in the last row,
    an object without a detection in the last column. Difficult objects, crowds and what lies on them are left out.

    Args:
        predictions: of each image.
        targets: of each image.
        classes: how many; labels are 0 .. classes - 1.
        score: detections below it are left out.
        iou: least overlap of a detection with its object.

    Returns:
        (classes + 1, classes + 1) int64; row = true class, column = predicted class, background last in both.
    """
    cells = []
    for prediction, target in zip(predictions, targets, strict=True):
        sure = prediction["scores"] >= score
        prediction = {key: value[sure] for key, value in prediction.items()}
        found = match_detections(prediction, target, iou, by_class=False)
        labels = torch.cat([target["labels"], torch.tensor([classes])])  # NOTHING, -1, is background
        counting = found != IGNORED
        cells.append(labels[found[counting]] * (classes + 1) + prediction["labels"][counting])
        cells.append(target["labels"][missed(target, found)] * (classes + 1) + classes)
    every = torch.cat(cells) if cells else torch.zeros(0, dtype=torch.int64)
    return torch.bincount(every, minlength=(classes + 1) ** 2).view(classes + 1, classes + 1)
