"""COCO's layout: one JSON file with all boxes of a split, and a folder of images (Lin et al. 2014)."""

import math
from pathlib import Path
from typing import Any

from leyden.data.source.annotations.annotated import Box, Corners, ImageEntry, Reading
from leyden.data.source.annotations.box_source import BoxSource, OnBadBox
from leyden.data.source.annotations.categories import Categories
from leyden.data.source.annotations.layouts.coco import find_json, image_folders
from leyden.data.source.annotations.layouts.places import Places
from leyden.data.source.annotations.layouts.tree import Tree, share_by_folder
from leyden.data.source.annotations.lines import read_json_lists
from leyden.data.source.annotations.text import MalformedError, brief, identifier, real_number, whole_number
from leyden.data.splits import STAGES, Stage

Entries = list[tuple[Any, int]]
SAMPLE = 20
"""Images by which their folder is found."""
NOWHERE = Path()
"""Of an image that is not found: its annotations are still its own."""


class COCO(BoxSource):
    """Images whose boxes (x, y, width, height; pixels from 0) stand in JSON files.

    The JSON files lie anywhere below ``root``: ``annotations/instances_train2017.json``, ``train.json``,
    ``valid/_annotations.coco.json``. A file belongs to the split that its name, or its folder's, speaks of; of a single
    one, the images' folders say it. Images lie in the folder that holds the most of a file's names, and never in that
    of another split; paths of other computers are looked for by their ends.

    Labels are 0 .. C - 1 in the order of the categories' ids, which may have gaps.

    Args:
        root: the folder.
        annotations: the JSON file below ``root``, or {train: file, val: file, test: file}; null: those that are found.
        classes: names in the order of the labels; null: the categories that the files list.
        channels: 3 for colour, 1 for grey.
        on_bad_box: "clip", "drop" or "fail", see ``BoxSource``.
        holdout: share of train that validates where the data has no own val or test.
        seed: of the parts of train.
    """

    means = "x, y, width and height in pixels"
    knows = ("crowd", "area")

    def __init__(
        self,
        root: str,
        annotations: dict[str, str] | str | None = None,
        classes: list[str] | None = None,
        channels: int = 3,
        on_bad_box: OnBadBox = "clip",
        holdout: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__("COCO", root, classes, channels, on_bad_box, holdout, seed)
        self.annotations = annotations

    def read(self) -> Reading:
        """Reads the JSON files."""
        tree = Tree(self.root, self.tally)
        reading, places = Reading(), Places(tree)
        categories = Categories(reading)
        files = self._files(tree)
        for stage, file in files.items():
            try:
                lists = read_json_lists(file)
            except (MalformedError, OSError) as error:
                reading.find_broken(file, error)
                continue
            for key in ("images", "annotations", "categories"):
                if key not in lists:
                    reading.find("broken annotation", "stops", file, 1, f"there is no list {key!r} in it")
            categories.add(lists.get("categories", []), file)
            images = _images(lists.get("images", []), file, stage if len(files) > 1 else None, places, reading)
            _boxes(lists.get("annotations", []), file, images, categories, reading)
            reading.parts[stage] = [entry for entry in images.values() if entry.path != NOWHERE]
        if len(files) == 1:
            _share_by_folder(tree, reading)
        reading.class_names = categories.settle() or None
        reading.pass_over(tree.plain_images())
        return reading

    def one_class(self, name: str) -> str:
        """A list of classes makes categories of one name one class."""
        names = ",".join(f"'{one}'" for one in dict.fromkeys(self.class_names))
        return f", or set data.source.classes=[{names}] to make them one"

    def _files(self, tree: Tree) -> dict[Stage, Path]:
        if isinstance(self.annotations, str):
            return {"train": self.root / self.annotations}
        if isinstance(self.annotations, dict):
            unknown = set(self.annotations) - set(STAGES)
            if unknown or "train" not in self.annotations:
                raise ValueError(
                    f"data.source.annotations={self.annotations}: give train, and val and test if there are"
                )
            return {stage: self.root / self.annotations[stage] for stage in STAGES if stage in self.annotations}
        return find_json(tree)


def _share_by_folder(tree: Tree, reading: Reading) -> None:
    """One file for all splits: their folders say which image is in which."""
    entries = {entry.path: entry for entry in reading.parts.get("train", [])}
    if len(entries) < len(reading.parts.get("train", [])):
        return  # one image under two numbers: an issue
    parts, others = share_by_folder(entries, tree)
    if len(parts) > 1 and not others:
        reading.parts = {stage: [entries[path] for path in paths] for stage, paths in parts.items()}


def _images(
    entries: Entries, file: Path, stage: Stage | None, places: Places, reading: Reading
) -> dict[int | str, ImageEntry]:
    images: dict[int | str, ImageEntry] = {}
    names = [str(entry.get("file_name")) for entry, _ in entries[:SAMPLE] if isinstance(entry, dict)]
    folders = image_folders(places.tree, file, stage, names)
    for entry, line in entries:
        number = identifier(entry.get("id")) if isinstance(entry, dict) else None
        written = entry.get("file_name") if isinstance(entry, dict) else None
        if number is None or isinstance(written, dict | list | None) or not str(written).strip():
            reading.find("broken annotation", "stops", file, line, "an image needs id and file_name")
            continue
        written = str(written)
        path, told = places.find(written, folders, stage)
        if number in images:
            what = f"image id {number} is {written} here and {images[number].path.name} before"
            reading.find("broken annotation", "stops", file, line, what)
            continue
        if path is None:
            reading.find("missing image", "stops", file, line, told or "")
        elif told is not None:
            reading.find("path from elsewhere", "note", file, line, told, path)
        sides = [whole_number(entry.get(side) or 0) or 0 for side in ("width", "height")]
        size = (sides[0], sides[1]) if min(sides) > 0 else None
        images[number] = ImageEntry(path or NOWHERE, file, line, size, [], number if isinstance(number, int) else None)
    return images


def _boxes(
    entries: Entries, file: Path, images: dict[int | str, ImageEntry], categories: Categories, reading: Reading
) -> None:
    """Adds the annotations to their images."""
    for entry, line in entries:
        if not isinstance(entry, dict) or "image_id" not in entry or "category_id" not in entry:
            reading.find("broken annotation", "stops", file, line, "an annotation needs image_id, category_id and bbox")
            continue
        number, category, name = entry["image_id"], entry["category_id"], f"annotation {brief(entry.get('id'))}"
        image = images.get(key) if (key := identifier(number)) is not None else None
        if image is None:
            what = f"{name} is of image {brief(number)}, which is not listed"
            reading.find("broken annotation", "stops", file, line, what)
            continue
        bbox, area = entry.get("bbox"), real_number(entry.get("area"))
        if bbox is None and (bbox := around(entry.get("segmentation"))) is not None:
            what = f"{name} has no bbox: the box around its outline is taken"
            reading.find("box of an outline", "note", file, line, what, image.path)
        image.boxes.append(
            Box(
                corners=from_sizes(bbox),
                name=categories.name(category),
                line=line,
                text=f"{name}: {brief(bbox)}",
                crowd=whole_number(entry.get("iscrowd") or 0) not in (0, None),
                area=area if math.isfinite(area) else None,
            )
        )


def around(segmentation: Any) -> list[float] | None:
    """The box (x, y, width, height) around polygons [[x1, y1, x2, y2, ...], ...]; None where there are none."""
    if not isinstance(segmentation, list) or not all(isinstance(part, list) for part in segmentation):
        return None
    numbers = [[real_number(number) for number in part] for part in segmentation]
    xs, ys = ([number for part in numbers for number in part[first::2]] for first in (0, 1))
    if not xs or len(xs) != len(ys):
        return None
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def from_sizes(bbox: Any) -> Corners:
    """COCO's (x, y, width, height) to corners; NaN for what is no number."""
    if not isinstance(bbox, list) or len(bbox) != 4:
        return (math.nan,) * 4
    x, y, width, height = map(real_number, bbox)
    return x, y, x + width, y + height
