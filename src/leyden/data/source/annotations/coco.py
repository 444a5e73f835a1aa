"""COCO's layout: one JSON file with all boxes of a split, and a folder of images (Lin et al. 2014)."""

import math
import re
from pathlib import Path
from typing import Any

from leyden.data.source.annotations.annotated import Box, Corners, ImageEntry, Reading
from leyden.data.source.annotations.box_source import FOLDERS, BoxSource, OnBadBox
from leyden.data.source.annotations.lines import MalformedError, read_json_lists
from leyden.data.splits import STAGES, Stage

Entries = list[tuple[Any, int]]
WORDS: dict[Stage, str] = {"train": r"train", "val": r"val", "test": r"test"}


class COCO(BoxSource):
    """Images whose boxes (x, y, width, height; pixels from 0) stand in JSON files.

    Found below ``root``: ``annotations/instances_train2017.json`` and so on with ``train2017`` or ``images/train2017``;
    ``annotations/train.json`` with ``images/train``; ``{train,val,test}/*.json`` with the images beside; or one JSON
    file with ``images``. A file belongs to the split that its name, or its folder's, speaks of.

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
        reading, names = Reading(), dict[int, str]()
        for stage, file in self._files().items():
            try:
                lists = read_json_lists(file)
            except (MalformedError, OSError, UnicodeDecodeError) as error:
                where = error.line if isinstance(error, MalformedError) else None
                reading.find("broken annotation", "stops", file, where, str(error))
                continue
            for key in ("images", "annotations", "categories"):
                if key not in lists:
                    reading.find("broken annotation", "stops", file, 1, f"there is no list {key!r} in it")
            _categories(lists.get("categories", []), file, names, reading)
            reading.parts[stage] = _images(lists, file, self._folder(stage, file, lists), names, reading)
        reading.class_names = [names[number] for number in sorted(names)] or None
        return reading

    def _files(self) -> dict[Stage, Path]:
        if isinstance(self.annotations, str):
            return {"train": self.root / self.annotations}
        if isinstance(self.annotations, dict):
            unknown = set(self.annotations) - set(STAGES)
            if unknown or "train" not in self.annotations:
                raise ValueError(
                    f"data.source.annotations={self.annotations}: give train, and val and test if there are"
                )
            return {stage: self.root / self.annotations[stage] for stage in STAGES if stage in self.annotations}
        patterns = ["*.json", "annotations/*.json", *(f"{name}/*.json" for names in FOLDERS.values() for name in names)]
        found = sorted({path for pattern in patterns for path in self.root.glob(pattern)})
        found = [path for path in found if path.name.startswith("instances_")] or found
        if len(found) == 1:
            return {"train": found[0]}
        by_stage = {stage: [path for path in found if _stage(path, self.root) == stage] for stage in STAGES}
        doubtful = next((files for files in by_stage.values() if len(files) > 1), None)
        if doubtful or not by_stage["train"]:
            listed = ", ".join(str(path.relative_to(self.root)) for path in doubtful or found) or "none"
            error = ValueError if found else FileNotFoundError
            raise error(
                f"data.source.root={self.root}: cannot tell which JSON file has the boxes of train, val and test; "
                f"there are: {listed}. Set data.source.annotations={{train: ..., val: ..., test: ...}}"
            )
        return {stage: files[0] for stage, files in by_stage.items() if files}

    def _folder(self, stage: Stage, file: Path, lists: dict[str, Entries]) -> Path:
        """The folder of a file's images: the first candidate that has one of them."""
        word = file.stem.rpartition("_")[2]
        names = dict.fromkeys([word, *FOLDERS[stage]])
        inner = [path for name in names for path in (self.root / "images" / name, self.root / name)]
        candidates = [*inner, file.parent, self.root / "images", self.root / "JPEGImages", self.root]
        some = [str(entry.get("file_name")) for entry, _ in lists.get("images", [])[:100] if isinstance(entry, dict)]
        holds = (folder for folder in candidates if any((folder / name).is_file() for name in some))
        return next(holds, next((folder for folder in candidates if folder.is_dir()), self.root))


def _stage(path: Path, root: Path) -> Stage | None:
    """The split that a file's name speaks of, else its folder's."""
    for text in (path.stem, path.parent.name if path.parent != root else ""):
        found = [stage for stage, word in WORDS.items() if re.search(rf"(?<![a-z]){word}", text.lower())]
        if len(found) == 1:
            return found[0]
    return None


def _categories(entries: Entries, file: Path, names: dict[int, str], reading: Reading) -> None:
    """Adds a file's categories to ``names``, which all files must agree on."""
    for entry, line in entries:
        try:
            number, name = entry["id"], str(entry["name"])
        except (KeyError, TypeError):
            reading.find("broken annotation", "stops", file, line, "a category needs id and name")
            continue
        if names.setdefault(number, name) != name:
            what = f"category {number} is {name!r} here and {names[number]!r} before"
            reading.find("broken annotation", "stops", file, line, what)


def _images(
    lists: dict[str, Entries], file: Path, folder: Path, names: dict[int, str], reading: Reading
) -> list[ImageEntry]:
    images: dict[int, ImageEntry] = {}
    for entry, line in lists.get("images", []):
        try:
            number, path = int(entry["id"]), folder / str(entry["file_name"])
            size = int(entry.get("width") or 0), int(entry.get("height") or 0)
        except (KeyError, TypeError, ValueError):
            reading.find("broken annotation", "stops", file, line, "an image needs id and file_name")
            continue
        if number in images:
            what = f"image id {number} is {path.name} here and {images[number].path.name} before"
            reading.find("broken annotation", "stops", file, line, what)
            continue
        images[number] = ImageEntry(path, file, line, size if all(size) else None, [], number)
    for entry, line in lists.get("annotations", []):
        try:
            number, category, name = entry["image_id"], entry["category_id"], f"annotation {entry.get('id')}"
        except (KeyError, TypeError, AttributeError):
            reading.find("broken annotation", "stops", file, line, "an annotation needs image_id, category_id and bbox")
            continue
        if number not in images:
            reading.find("broken annotation", "stops", file, line, f"{name} is of image {number}, which is not listed")
            continue
        bbox, area = entry.get("bbox"), _number(entry.get("area"))
        images[number].boxes.append(
            Box(
                corners=from_sizes(bbox),
                name=names.get(category, f"category {category}"),
                line=line,
                text=f"{name}: {' '.join(map(str, bbox)) if isinstance(bbox, list) else bbox}",
                crowd=bool(entry.get("iscrowd")),
                area=area if math.isfinite(area) else None,
            )
        )
    return list(images.values())


def from_sizes(bbox: Any) -> Corners:
    """COCO's (x, y, width, height) to corners; NaN for what is no number."""
    if not isinstance(bbox, list) or len(bbox) != 4:
        return (math.nan,) * 4
    x, y, width, height = map(_number, bbox)
    return x, y, x + width, y + height


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
