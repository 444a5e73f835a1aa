"""Predictions as plain rows and drawn images, and in COCO's own format."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from leyden.detection.boxes.batch import Detections
from leyden.detection.boxes.nms import confident
from leyden.visualization.detection.boxes import draw_boxes

SIDE = 512
"""Pixels that a small image is enlarged to before its boxes are drawn."""


def prediction(
    image: Tensor, detections: Detections, threshold: float, image_size: int, class_names: Sequence[str]
) -> tuple[dict[str, Any], Tensor]:
    """What is predicted for an image as a plain row, and the image with its boxes.

    Args:
        image: uint8 (C, H, W).
        detections: in pixels of the square that the image was fitted to.
        threshold: least score.
        image_size: side of that square.
        class_names: of all classes.

    Returns:
        {"width", "height", "classes", "scores", "boxes"} with boxes in the image's own pixels, best first; uint8 image.
    """
    height, width = image.shape[1:]
    found = confident(detections, threshold)
    found["boxes"] = found["boxes"] * (torch.tensor([width, height, width, height]) / image_size)
    row = {
        "width": width,
        "height": height,
        "classes": [class_names[label] for label in found["labels"].tolist()],
        "scores": [round(score, 4) for score in found["scores"].tolist()],
        "boxes": [[round(x, 2) for x in box] for box in found["boxes"].tolist()],
    }
    return row, draw_boxes(image, found, class_names, side=SIDE)


def coco_json(rows: Sequence[dict[str, Any]], class_names: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """A COCO data set of predictions, with a "score" in each annotation.

    Its "annotations" alone are a list of COCO results, as ``COCO.loadRes`` takes them. Ids count from 1, those of
    categories in the order of the class names; "categories" gives the name of each, for data sets with other ids
    (COCO's own have gaps).

    Args:
        rows: {"path", "width", "height", "classes", "scores", "boxes"} of each image; boxes xyxy, pixels.
        class_names: of all classes.
    """
    numbers = {name: number for number, name in enumerate(class_names, 1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image, row in enumerate(rows, 1):
        images.append({"id": image, "file_name": row["path"], "width": row["width"], "height": row["height"]})
        for name, score, (x1, y1, x2, y2) in zip(row["classes"], row["scores"], row["boxes"], strict=True):
            width, height = round(x2 - x1, 2), round(y2 - y1, 2)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": numbers[name],
                    "bbox": [x1, y1, width, height],
                    "area": round(width * height, 2),
                    "iscrowd": 0,
                    "score": score,
                }
            )
    categories = [{"id": number, "name": name} for name, number in numbers.items()]
    return {"images": images, "annotations": annotations, "categories": categories}
