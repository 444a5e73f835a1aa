"""All average precisions of a whole split, under the names by which they are logged."""

from collections.abc import Sequence

from torch import Tensor

from leyden.metrics.detection.accumulator import Boxes
from leyden.metrics.detection.coco_ap import coco_ap
from leyden.metrics.detection.voc_ap import voc_ap


def detection_scores(predictions: Sequence[Boxes], targets: Sequence[Boxes], classes: int) -> dict[str, Tensor]:
    """The results of :func:`coco_ap`, and "voc_ap50" (all points) and "voc07_ap50" (11 points), means over the classes.

    Args:
        predictions: of each image.
        targets: of each image.
        classes: how many; labels are 0 .. classes - 1.
    """
    result = coco_ap(predictions, targets, classes)
    result["voc_ap50"] = voc_ap(predictions, targets, classes).nanmean()
    result["voc07_ap50"] = voc_ap(predictions, targets, classes, points=11).nanmean()
    return result
