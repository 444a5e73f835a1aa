"""Predictions as plain rows, and in COCO's own format."""

from collections.abc import Sequence
from typing import Any

from leyden.detection.boxes.batch import Target


def plain_row(answer: Target, width: int, height: int, class_names: Sequence[str]) -> dict[str, Any]:
    """The answers (in its pixels) for a picture of that size as {"width", "height", "classes", "scores", "boxes"}."""
    return {
        "width": width,
        "height": height,
        "classes": [class_names[label] for label in answer["labels"].tolist()],
        "scores": [round(score, 4) for score in answer["scores"].tolist()],
        "boxes": [[round(x, 2) for x in box] for box in answer["boxes"].tolist()],
    }


def coco_json(rows: Sequence[dict[str, Any]], class_names: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """A COCO data set of what a detector says of pictures, with a "score" in each annotation.

    Its "annotations" alone are a list of COCO results, as ``COCO.loadRes`` takes them. Ids count from 1, those of
    categories in the order of the class names: where other ids are wanted (COCO's own have gaps), "categories" says
    which name is behind each.

    Args:
        rows: {"path", "width", "height", "classes", "scores", "boxes"} of each picture; boxes xyxy, pixels.
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
