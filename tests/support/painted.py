"""Pictures of coloured rectangles, whose boxes can be read off the pixels, in the formats of detection data."""

import json
from itertools import product
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image, ImageDraw
from torch import Tensor

GREY = (128, 128, 128)
COLOURS = list(product((0, 255), repeat=3))
"""A class has a colour, and the way from it to grey comes near no other."""
NAMES = ["black", "blue", "green", "cyan", "red", "magenta", "yellow", "white"]


class Scene(NamedTuple):
    """A picture to paint."""

    name: str
    size: tuple[int, int]
    boxes: list[tuple[int, tuple[int, int, int, int]]]
    """Labels with xyxy pixels: columns x1 .. x2 - 1 and rows y1 .. y2 - 1 have the colour."""


SCENES = {
    "train": [
        Scene("a", (96, 64), [(0, (0, 0, 20, 30)), (1, (50, 10, 96, 60))]),
        Scene("b", (80, 80), [(2, (10, 40, 30, 80)), (3, (40, 5, 75, 25))]),
        Scene("c", (64, 96), [(4, (5, 5, 60, 45)), (5, (20, 60, 50, 90))]),
        Scene("d", (70, 90), [(6, (30, 30, 60, 50)), (7, (2, 60, 25, 85))]),
    ],
    "val": [Scene("e", (90, 90), [(1, (10, 10, 40, 40))]), Scene("f", (50, 40), [])],
    "test": [Scene("g", (90, 60), [(2, (20, 10, 70, 50)), (2, (75, 2, 88, 12))])],
}


def paint(file: Path, scene: Scene) -> None:
    """Writes the picture, without loss."""
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", scene.size, GREY)
    for label, (x1, y1, x2, y2) in scene.boxes:
        ImageDraw.Draw(picture).rectangle((x1, y1, x2 - 1, y2 - 1), fill=COLOURS[label])
    picture.save(file)


def seen_box(image: Tensor, label: int) -> list[int] | None:
    """The box (xyxy) around what has a class's colour in a uint8 image (3, H, W), if anything has."""
    near = ((image.int() - torch.tensor(COLOURS[label])[:, None, None]).abs() < 64).all(0)
    if not near.any():
        return None
    y, x = near.nonzero(as_tuple=True)
    return [int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1]


def voc_xml(scene: Scene, difficult: bool = False) -> str:
    """Pascal's XML: pixels from 1, the last one included."""
    objects = [
        f"""  <object>
    <name>{NAMES[label]}</name>
    <difficult>{int(difficult)}</difficult>
    <bndbox>
      <xmin>{x1 + 1}</xmin>
      <ymin>{y1 + 1}</ymin>
      <xmax>{x2}</xmax>
      <ymax>{y2}</ymax>
    </bndbox>
  </object>
"""
        for label, (x1, y1, x2, y2) in scene.boxes
    ]
    width, height = scene.size
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation>\n  <filename>{scene.name}.png</filename>\n  {size}\n{''.join(objects)}</annotation>\n"


def write_voc(root: Path, scenes: dict[str, list[Scene]] = SCENES) -> Path:
    """Pascal's folders."""
    for folder in ("Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for stage, part in scenes.items():
        for scene in part:
            paint(root / "JPEGImages" / f"{scene.name}.png", scene)
            (root / "Annotations" / f"{scene.name}.xml").write_text(voc_xml(scene))
        (root / "ImageSets/Main" / f"{stage}.txt").write_text("".join(f"{scene.name}\n" for scene in part))
    return root


def write_coco(root: Path, scenes: dict[str, list[Scene]] = SCENES) -> Path:
    """COCO's files, an annotation per line; ids of categories have gaps and come in another order."""
    for stage, part in scenes.items():
        annotations = []
        for number, scene in enumerate(part, 10):
            paint(root / "images" / stage / f"{scene.name}.png", scene)
            for label, (x1, y1, x2, y2) in scene.boxes:
                box = {"image_id": number, "category_id": 3 * label + 2, "bbox": [x1, y1, x2 - x1, y2 - y1]}
                annotations.append({"id": len(annotations), **box, "iscrowd": 0, "area": 7.5})
        whole = {
            "info": {"note": "a [list, in] text: {"},
            "images": [
                {"id": i, "file_name": f"{s.name}.png", "width": s.size[0], "height": s.size[1]}
                for i, s in enumerate(part, 10)
            ],
            "annotations": annotations,
            "categories": [{"id": 3 * label + 2, "name": NAMES[label]} for label in reversed(range(8))],
        }
        file = root / "annotations" / f"instances_{stage}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(whole, indent=0))
    return root


def write_yolo(root: Path, scenes: dict[str, list[Scene]] = SCENES) -> Path:
    """YOLO's folders; a picture without objects has no text file."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "data.yaml").write_text(f"train: images/train\nnames: {NAMES}\n")
    for stage, part in scenes.items():
        for scene in part:
            paint(root / "images" / stage / f"{scene.name}.png", scene)
            width, height = scene.size
            lines = [
                f"{label} {(x1 + x2) / 2 / width:.6f} {(y1 + y2) / 2 / height:.6f} "
                f"{(x2 - x1) / width:.6f} {(y2 - y1) / height:.6f}\n"
                for label, (x1, y1, x2, y2) in scene.boxes
            ]
            if lines:
                file = root / "labels" / stage / f"{scene.name}.txt"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text("".join(lines))
    return root
