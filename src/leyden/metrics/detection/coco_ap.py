"""Average precision by the rules of COCO (Lin et al. 2014; the reference code is pycocotools' ``COCOeval``).

A detection takes the best *free* object of its class with IoU >= t; precision is made monotonous and read at 101
recalls; the mean is over t = 0.50, 0.55 .. 0.95 and over the classes that occur. At most 100 detections per image and
class count.
"""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from faster_coco_eval import COCO, COCOeval_faster
from torch import Tensor

from leyden.metrics.detection.accumulator import Boxes

log = logging.getLogger(__name__)

STATS = ["ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar1", "ar10", "ar100"]
STATS += ["ar_small", "ar_medium", "ar_large"]
OUT_OF_RANGE = 2e10
"""An area above the range that COCO calls "all", 0 to 1e10: what is outside is ignored. It is the only way to say that
a single object (not a crowd) need not be found."""


def coco_ap(predictions: Sequence[Boxes], targets: Sequence[Boxes], classes: int) -> dict[str, Tensor]:
    """The twelve numbers that COCO prints, AP per class, and precision over recall.

    Args:
        predictions: detections of each image.
        targets: objects of each image. A crowd may be found any number of times, by whatever lies on it, or not at all;
            a difficult object once, by IoU, or not at all.
        classes: how many; labels are 0 .. classes - 1.

    Returns:
        "ap" .. "ar_large": () in [0, 1], NaN where nothing of the kind occurs (pycocotools says -1). Small, medium and
        large are areas below 32 x 32, up to 96 x 96, and above.
        "ap_class", "ap50_class": (classes,), NaN for classes without objects;
        "precision50": (classes, 101) precision at recalls 0, 0.01 .. 1 at IoU 0.5, NaN for classes without objects.
    """
    target = _dataset(targets, classes)
    evaluation = COCOeval_faster(target, _detections(target, predictions), "bbox", print_function=log.debug)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    numbers = [float("nan") if value < 0 else float(value) for value in evaluation.stats[: len(STATS)]]
    result = {name: torch.tensor(number, dtype=torch.float64) for name, number in zip(STATS, numbers, strict=True)}
    # precision[threshold, recall, class, area, most detections]: all areas are the first, 100 detections the last.
    precision = np.asarray(evaluation.eval["precision"])[..., 0, -1]
    precision = np.where(precision < 0, np.nan, precision)
    result["ap_class"] = torch.from_numpy(precision.mean((0, 1)))
    result["ap50_class"] = torch.from_numpy(precision[0].mean(0))
    result["precision50"] = torch.from_numpy(precision[0].T.copy())
    return result


def _dataset(targets: Sequence[Boxes], classes: int) -> COCO:
    annotations: list[dict[str, Any]] = []
    for image, target in enumerate(targets, 1):
        boxes = target["boxes"].double()
        sizes = boxes[:, 2:] - boxes[:, :2]
        nothing = torch.zeros(len(boxes), dtype=torch.bool)
        crowd = target.get("crowd", nothing)
        areas = target.get("area", sizes.prod(1)).double()
        areas = areas.masked_fill(target.get("difficult", nothing) & ~crowd, OUT_OF_RANGE)
        rows = zip(
            torch.cat([boxes[:, :2], sizes], 1).tolist(),
            target["labels"].tolist(),
            areas.tolist(),
            crowd.int().tolist(),
            strict=True,
        )
        for box, label, area, is_crowd in rows:
            annotations.append(
                {
                    # Ids start at 1: the evaluation takes a match with annotation 0 for none (cocoapi #507).
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": label,
                    "bbox": box,
                    "area": area,
                    "iscrowd": is_crowd,
                }
            )
    return COCO(
        {
            "images": [{"id": image} for image in range(1, len(targets) + 1)],
            "annotations": annotations,
            "categories": [{"id": label, "name": str(label)} for label in range(classes)],
        }
    )


def _detections(target: COCO, predictions: Sequence[Boxes]) -> COCO:
    rows = []
    for image, prediction in enumerate(predictions, 1):
        boxes = prediction["boxes"].double()
        ids = torch.full_like(boxes[:, :1], image)
        sizes = boxes[:, 2:] - boxes[:, :2]
        rows.append(
            torch.cat([ids, boxes[:, :2], sizes, prediction["scores"][:, None], prediction["labels"][:, None]], 1)
        )
    table = torch.cat(rows).numpy() if rows else np.zeros((0, 7))
    return target.loadRes(table)
