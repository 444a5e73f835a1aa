"""Average precision by the rules of COCO (Lin et al. 2014; the reference code is pycocotools' ``COCOeval``).

A detection takes the best *free* object of its class with IoU >= t; precision is made monotonous and read at 101
recalls; the mean is over t = 0.50, 0.55 .. 0.95 and over the classes that occur. At most 100 detections per image
count.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from faster_coco_eval import COCO, COCOeval_faster
from torch import Tensor

Boxes = dict[str, Tensor]
"""Truth: {"boxes": (n, 4) xyxy, "labels": (n,)}, also "crowd" (n,) bool and "area" (n,) where an annotation has them;
answers: {"boxes", "labels", "scores": (n,)}."""
STATS = ["ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar1", "ar10", "ar100"]
STATS += ["ar_small", "ar_medium", "ar_large"]


def coco_ap(answers: Sequence[Boxes], truths: Sequence[Boxes], classes: int) -> dict[str, Tensor]:
    """The twelve numbers that COCO prints, and AP per class.

    Args:
        answers: detections of each image.
        truths: objects of each image; "crowd" ones may be found any number of times or not at all.
        classes: how many; labels are 0 .. classes - 1.

    Returns:
        "ap" .. "ar_large": () in [0, 1], NaN where nothing of the kind occurs (pycocotools says -1);
        "ap_class", "ap50_class": (classes,), NaN for classes without objects.
    """
    truth = _dataset(truths, classes)
    evaluation = COCOeval_faster(truth, _detections(truth, answers), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    numbers = [float("nan") if value < 0 else float(value) for value in evaluation.stats[: len(STATS)]]
    result = {name: torch.tensor(number) for name, number in zip(STATS, numbers, strict=True)}
    # precision[threshold, recall, class, area, most detections]: all areas are the first, 100 detections the last.
    precision = np.asarray(evaluation.eval["precision"])[..., 0, -1]
    precision = np.where(precision < 0, np.nan, precision)
    result["ap_class"] = torch.from_numpy(precision.mean((0, 1))).float()
    result["ap50_class"] = torch.from_numpy(precision[0].mean(0)).float()
    return result


def _dataset(truths: Sequence[Boxes], classes: int) -> COCO:
    annotations: list[dict[str, Any]] = []
    for image, truth in enumerate(truths, 1):
        count = len(truth["labels"])
        sizes = truth["boxes"][:, 2:] - truth["boxes"][:, :2]
        areas = truth.get("area", sizes.prod(1)).tolist()
        crowds = truth.get("crowd", torch.zeros(count, dtype=torch.bool)).tolist()
        corners = torch.cat([truth["boxes"][:, :2], sizes], 1).tolist()
        for box, label, area, crowd in zip(corners, truth["labels"].tolist(), areas, crowds, strict=True):
            annotations.append(
                {
                    # Ids start at 1: the evaluation takes a match with annotation 0 for none (cocoapi #507).
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": label,
                    "bbox": box,
                    "area": area,
                    "iscrowd": int(crowd),
                }
            )
    return COCO(
        {
            "images": [{"id": image} for image in range(1, len(truths) + 1)],
            "annotations": annotations,
            "categories": [{"id": label, "name": str(label)} for label in range(classes)],
        }
    )


def _detections(truth: COCO, answers: Sequence[Boxes]) -> COCO:
    rows = []
    for image, answer in enumerate(answers, 1):
        boxes = answer["boxes"].double()
        ids = torch.full_like(boxes[:, :1], image)
        sizes = boxes[:, 2:] - boxes[:, :2]
        rows.append(torch.cat([ids, boxes[:, :2], sizes, answer["scores"][:, None], answer["labels"][:, None]], 1))
    table = torch.cat(rows).numpy() if rows else np.zeros((0, 7))
    return truth.loadRes(table)
