"""Which images and text files in YOLO's layout belong together, and to which split."""

import re
from pathlib import Path
from typing import NamedTuple

from leyden.data.issues import Effect
from leyden.data.source.annotations.annotated import Reading
from leyden.data.source.annotations.layouts.places import Places, is_file, undo
from leyden.data.source.annotations.layouts.tree import IMAGES, OVERLAYS, Tree, form, share_by_folder
from leyden.data.source.annotations.layouts.yolo_yaml import Description
from leyden.data.source.annotations.text import MalformedError, read_lines
from leyden.data.source.files.layout import IMAGE_ENDINGS, stage_of
from leyden.data.splits import Stage

LABELS = re.compile(r"(?:yolo)?[ _-]?(?:labels?|annotations?|annots?)", re.IGNORECASE)
NO_LABELS = ("classes", "readme", "notes", "requirements", "license", "names", "labels", "predefined_classes")
"""Text files that belong to no image."""


class Named(NamedTuple):
    """An image, and where it is named: itself, where no list does."""

    path: Path
    written: Path
    line: int | None


Parts = dict[Stage, list[Named]]


def find_images(tree: Tree, about: Description | None, reading: Reading) -> Parts:
    """The images of each split: by the YAML file, else by lists, else by folders; all are "train" where none says.

    What the YAML file names decides. Where it names train alone, lists or folders may say the rest; where nothing that
    it names is there, they say all.
    """
    places = Places(tree)
    if about is None or not about.splits:
        return _by_lists(places, reading) or _by_folders(tree, reading)
    parts, missing = _by_description(about, places, reading)
    if parts and (len(about.splits) > 1 or missing):
        effects: dict[Stage, Effect] = {"train": "stops", "val": "stops", "test": "warning"}
    else:
        rest = _by_lists(places, reading) or _by_folders(tree, reading if not parts else Reading())
        taken = {image.path for images in parts.values() for image in images}
        for stage in rest if len(rest) > 1 or not parts else ():
            parts.setdefault(stage, [image for image in rest[stage] if image.path not in taken])
        random = len(rest) == 1 and len(about.splits) > 1
        effects = dict.fromkeys(about.splits, "stops" if random else "warning")
    for stage, written, line in missing:
        what = f"{stage}: there is no {written} in {tree.root}; correct this line, or remove it"
        reading.find("missing split", effects[stage], about.file, line, what)
    return parts


def _by_lists(places: Places, reading: Reading) -> Parts:
    lists: dict[Stage, list[Path]] = {}
    for file in places.tree.ending(".txt"):
        if (stage := stage_of(file.stem)) and is_list(file, places.tree):
            lists.setdefault(stage, []).append(file)
    if not lists:
        return {}
    parts: Parts = {}
    for stage, files in lists.items():
        shallow = min(len(file.parts) for file in files)
        for file in (file for file in files if len(file.parts) == shallow):
            bases = [places.tree.root, file.parent]
            parts.setdefault(stage, []).extend(_from_list(file, stage, bases, places, reading))
    if "train" not in lists:  # all that the lists leave
        taken = {image.path for images in parts.values() for image in images}
        rest = _by_folders(places.tree, reading).get("train", [])
        parts["train"] = [image for image in rest if image.path not in taken]
    return parts


def _by_folders(tree: Tree, reading: Reading) -> Parts:
    folders, others = share_by_folder(_image_files(tree), tree)
    for path in others:
        reading.find("in no split", "left out", path, None, "this image lies beside the folders of the splits", path)
    return {stage: [Named(path, path, None) for path in paths] for stage, paths in folders.items()}


def _image_files(tree: Tree) -> list[Path]:
    """Those in folders that are called images, and those with a text file beside; all where there are no such folders.

    So neither drawings of boxes nor what a training wrote is data.
    """
    found = tree.images()
    data = [path for path in found if not any(OVERLAYS.fullmatch(part) for part in tree.inside(path))] or found
    if any(_is_marked(path, tree) for path in data):
        data = [p for p in data if _is_marked(p, tree) or any(map(is_file, usual_places(p, tree.root)))]
    for path in sorted(set(found) - set(data)):
        tree.tally.add("beside the folders of images, not read", path)
    return data


def _is_marked(path: Path, tree: Tree) -> bool:
    return any(IMAGES.fullmatch(part) for part in tree.inside(path))


def _by_description(about: Description, places: Places, reading: Reading) -> tuple[Parts, list[tuple[Stage, str, int]]]:
    """The splits that are there, and the lines that name others."""
    root, home = places.tree.root, about.file.parent
    path = Path(undo(about.path))
    # A path from another place may exist here and hold older files: what lies below the root goes first.
    first = [home / path] if about.path and not path.is_absolute() else []
    bases = [*first, home, root, *([path] if path.is_absolute() else [])]
    parts: Parts = {}
    missing = []
    for stage, values in about.splits.items():
        for written, line in values:
            # A pattern such as images/train/*.jpg names its folder.
            folder, changed = places.find_folder(re.sub(r"[^/\\]*\*.*$", "", written) or ".", bases)
            file = places.find(written, bases)[0] if folder is None and Path(written).suffix else None
            if file is not None and file.suffix.lower() == ".txt":
                named = _from_list(file, stage, [*bases, file.parent], places, reading)
            elif folder is not None:
                named = [Named(image, image, None) for image in Tree(folder, places.tree.tally).images()]
                if changed is not None:
                    reading.find("path from elsewhere", "note", about.file, line, changed)
                if not named:
                    reading.find("missing split", "warning", about.file, line, f"{stage}: no image in {folder}")
            else:
                missing.append((stage, written, line))
                continue
            parts.setdefault(stage, []).extend(named)
    return parts, missing


def is_list(file: Path, tree: Tree) -> bool:
    """Whether a text file lists images: no image has its name, and its first words name one.

    One that cannot be read is taken for a list, so that this is said.
    """
    if tree.images_by_stem(file.stem):
        return False
    try:
        first = next((line.strip() for line in read_lines(file) if line.strip()), "")
    except (MalformedError, OSError):
        return True
    bare = undo(first).rpartition("/")[2]
    return not first or bare.lower().endswith(IMAGE_ENDINGS) or bool(bare and tree.images_by_stem(bare))


def _from_list(file: Path, stage: Stage, bases: list[Path], places: Places, reading: Reading) -> list[Named]:
    found = []
    try:
        lines = read_lines(file)
    except (MalformedError, OSError) as error:
        reading.find_broken(file, error)
        return []
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        path, told = places.find(text, bases, stage)
        if path is None:
            reading.find("missing image", "stops", file, number, told or "")
            continue
        if told is not None:
            reading.find("path from elsewhere", "note", file, number, told, path)
        found.append(Named(path, file, number))
    if not found:
        reading.find("missing split", "warning", file, None, f"no image of {stage} in this list")
    return found


class Labels:
    """Finds the text files of images."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.used: dict[Path, Path] = {}
        """With the first image of each."""
        self.by_stem: dict[str, list[Path]] = {}
        for path in tree.ending(".txt"):
            self.by_stem.setdefault(form(path.stem), []).append(path)

    def file(self, image: Path) -> Path | None:
        """The text file with the boxes of an image: where YOLO has it, else the one of that name in its split."""
        found = next((path for path in usual_places(image, self.tree.root) if is_file(path)), None)
        if found is None:
            names = [*self.by_stem.get(form(image.stem), []), *self.by_stem.get(form(image.name), [])]
            stage = self.tree.stage(image)
            same = [path for path in names if self.tree.stage(path) in (stage, None)]
            found = same[0] if len(same) == 1 and same[0] not in self.used else None
        if found is not None:
            self.used.setdefault(found, image)
        return found

    def orphans(self) -> list[Path]:
        """Text files in folders of text files that belong to no image of the data."""
        folders = {path.parent for path in self.used}
        left = (path for paths in self.by_stem.values() for path in paths if path not in self.used)
        return [
            path
            for path in left
            if (path.parent in folders or any(LABELS.fullmatch(part) for part in self.tree.inside(path)))
            and not path.stem.lower().startswith(NO_LABELS)
            and not (stage_of(path.stem) and is_list(path, self.tree))
        ]


def usual_places(image: Path, root: Path) -> list[Path]:
    """Where the text file of an image may lie: ``labels`` for ``images`` in its path (the last one first), beside it.

    A folder above the root may be called images too, and is left as it is.
    """
    base = root if image.is_relative_to(root) else Path(image.anchor)
    inner = image.relative_to(base).parts
    found = []
    for place in reversed(range(len(inner) - 1)):
        if IMAGES.fullmatch(inner[place]):
            for name in ("labels", "Labels", "annotations"):
                other = base.joinpath(*inner[:place], name, *inner[place + 1 :])
                found += [other.with_suffix(".txt"), other.with_name(other.name + ".txt")]
    return [*found, image.with_suffix(".txt"), image.with_name(image.name + ".txt")]
