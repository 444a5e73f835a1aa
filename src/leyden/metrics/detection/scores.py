"""All average precisions of a whole split, under the names that they are logged by."""

from collections.abc import Sequence

from torch import Tensor

from leyden.metrics.detection.accumulator import Boxes
from leyden.metrics.detection.coco_ap import coco_ap
from leyden.metrics.detection.voc_ap import voc_ap


def detection_scores(answers: Sequence[Boxes], truths: Sequence[Boxes], classes: int) -> dict[str, Tensor]:
    """What :func:`coco_ap` gives, and "voc_ap50" (all points) and "voc07_ap50" (11 points), means over the classes.

    Args:
        answers: of each image.
        truths: of each image.
        classes: how many; labels are 0 .. classes - 1.
    """
    result = coco_ap(answers, truths, classes)
    result["voc_ap50"] = voc_ap(answers, truths, classes).nanmean()
    result["voc07_ap50"] = voc_ap(answers, truths, classes, points=11).nanmean()
    return result
