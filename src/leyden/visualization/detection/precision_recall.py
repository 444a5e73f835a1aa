"""Precision over recall of a detector, and recall over the number of its proposals."""

from collections.abc import Sequence

import torch
from torch import Tensor

from leyden.visualization.charts import Curve, draw_curves

MOST_CLASSES = 20
"""Curves of single classes that can be told apart."""


def draw_precision_recall(precision: Tensor, class_names: Sequence[str]) -> Tensor:
    """Precision over recall at IoU 0.5: the mean of all classes on top of each class.

    Of more than 20 classes those of the least area are drawn, and the title says so.

    Args:
        precision: (C, R) at R recalls evenly spread over 0 .. 1; NaN for classes without objects.
        class_names: C of them.

    Returns:
        uint8 (3, 600, 900).

    Raises:
        ValueError: no class has objects.
    """
    area = precision.mean(1)
    present = (~area.isnan()).nonzero().flatten()
    if len(present) == 0:
        raise ValueError("no class has objects: there is no precision to draw")
    recall = torch.linspace(0, 1, precision.shape[1]).tolist()
    mean = precision[present].mean(0)
    average = f"mean of {len(present)} ({mean.mean():.2f})"
    curves: dict[str, Curve] = {}
    worst = present[area[present].argsort()[:MOST_CLASSES]].sort().values
    for label in worst.tolist() if len(present) > 1 else []:
        curves[f"{class_names[label]} ({area[label]:.2f})"] = (recall, precision[label].tolist(), None)
    curves[average] = (recall, mean.tolist(), None)
    few = "" if len(worst) == len(present) else f", the {MOST_CLASSES} worst of {len(present)} classes"
    title = f"Precision over recall at IoU 0.5 (area below){few}"
    x, y = "recall: share of the objects found", "precision: share of correct detections"
    return draw_curves(curves, x, y, title, main=average)


def draw_proposal_recall(recall: Tensor, counts: Sequence[int], ious: Sequence[float]) -> Tensor:
    """The share of objects that proposals reach, over how many an image has.

    Args:
        recall: (len(counts), len(ious)) in 0..1.
        counts: proposals per image, best first.
        ious: least overlaps; a curve each.

    Returns:
        uint8 (3, 600, 900).
    """
    curves: dict[str, Curve] = {
        f"IoU {iou:g}": ([float(count) for count in counts], recall[:, i].tolist(), None) for i, iou in enumerate(ious)
    }
    return draw_curves(curves, "proposals per image", "recall", "Objects that proposals reach", log_x=True)
