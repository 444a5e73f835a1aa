"""Which files lie below a folder, and which split their folders' or files' names speak of."""

import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from leyden.data.issues import Tally
from leyden.data.source.files.layout import IMAGE_ENDINGS, SKIPPED, UNREAD, is_clutter, stage_of
from leyden.data.splits import Stage

IMAGES = re.compile(r"(?:jpeg|jpg|png|raw|color|rgb)?[ _-]?(?:images?|imgs?|pictures?|photos?|pics?)", re.IGNORECASE)
"""What a folder of images is called."""
READ = {*IMAGE_ENDINGS, ".xml", ".json", ".txt", ".yaml", ".yml", ".data", ".names", ".labels"}
OVERLAYS = re.compile(r"(segmentation\w*|masks?|runs|depth|visuali[sz]ations?)", re.IGNORECASE)
"""Folders with images that are made from others: VOC's masks, what a training writes."""


def form(path: str) -> str:
    """What paths have in common that differ by case or in how accents are composed."""
    return unicodedata.normalize("NFC", path).casefold()


class Tree:
    """All files below a folder, in the order of their paths; links to folders are followed, never in circles.

    Args:
        root: the folder.
        tally: counts what is passed over.
    """

    def __init__(self, root: Path, tally: Tally) -> None:
        self.root = root
        self.tally = tally
        self.files: list[Path] = []
        self._look(root, ())
        self._above: int | None = None
        self._stages: dict[Path, Stage | None] = {}
        self._by_name: dict[str, list[Path]] | None = None
        self._by_stem: dict[str, list[Path]] | None = None

    def _look(self, folder: Path, above: tuple[str, ...]) -> None:
        here = os.path.realpath(folder)
        if here in above:
            return
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            self.tally.add(f"which cannot be read ({error.strerror})", folder)
            return
        inner = []
        for entry in entries:
            path = folder / entry.name
            if is_clutter(entry.name):
                self.tally.add(SKIPPED, path)
            elif _is_folder(entry):
                inner.append(path)
            elif path.suffix.lower() not in READ:
                self.tally.add(UNREAD, path)
            elif entry.is_file() or entry.is_symlink():  # a link that leads nowhere is told by who reads it
                self.files.append(path)
        for path in inner:
            self._look(path, (*above, here))

    def ending(self, *endings: str) -> list[Path]:
        """The files whose names end so, in any case."""
        return [path for path in self.files if path.suffix.lower() in endings]

    def images(self) -> list[Path]:
        """The image files."""
        return self.ending(*IMAGE_ENDINGS)

    def inside(self, path: Path) -> tuple[str, ...]:
        """The folders between the root and a file."""
        return path.relative_to(self.root).parts[:-1] if path.is_relative_to(self.root) else ()

    def plain_images(self) -> list[Path]:
        """The image files that are not made from others."""
        return [path for path in self.images() if not any(OVERLAYS.fullmatch(part) for part in self.inside(path))]

    def folders(self) -> list[Path]:
        """The folders with files in them or below."""
        around = {path.parent for path in self.files}
        return sorted({above for path in around for above in (path, *path.parents) if above.is_relative_to(self.root)})

    def by_name(self, name: str) -> list[Path]:
        """The files with that bare name, in any case."""
        if self._by_name is None:
            self._by_name = {}
            for path in self.files:
                self._by_name.setdefault(form(path.name), []).append(path)
        return self._by_name.get(form(name), [])

    def images_by_stem(self, stem: str) -> list[Path]:
        """The images with that bare name, whatever their ending; none of masks."""
        if self._by_stem is None:
            self._by_stem = {}
            for path in self.plain_images():
                self._by_stem.setdefault(form(path.stem), []).append(path)
        found = self._by_stem.get(form(stem), [])
        return [path for path in found if path.stem == stem] or found

    def stage(self, path: Path) -> Stage | None:
        """The split that the outermost of a file's folders speaks of, but for those that all images share."""
        if path.parent not in self._stages:
            if self._above is None:
                self._above = shared_folders([self.inside(image) for image in self.images()])
            inside = self.inside(path)[self._above :]
            self._stages[path.parent] = next((stage for part in inside if (stage := stage_of(part))), None)
        return self._stages[path.parent]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a circle of links
        return False


def share_by_folder(paths: Iterable[Path], tree: Tree) -> tuple[dict[Stage, list[Path]], list[Path]]:
    """Files by the splits that their folders speak of, and those that lie in no split though others do.

    Folders that all of them share say nothing. Without any split all files are "train".
    """
    paths = list(paths)
    shared = shared_folders([tree.inside(path) for path in paths])
    stages: dict[tuple[str, ...], Stage | None] = {}
    parts: dict[Stage, list[Path]] = {}
    others = []
    for path in paths:
        inside = tree.inside(path)[shared:]
        if inside not in stages:
            stages[inside] = next((stage for part in inside if (stage := stage_of(part))), None)
        stage = stages[inside]
        if stage is None:
            others.append(path)
        else:
            parts.setdefault(stage, []).append(path)
    if "train" not in parts and others:
        return {"train": others, **parts}, []
    return {stage: parts[stage] for stage in ("train", "val", "test") if stage in parts}, others


def shared_folders(folders: Sequence[tuple[str, ...]]) -> int:
    """How many leading folders all have."""
    different = set(folders)
    if len(different) < 2:
        return 0
    first, last = min(different), max(different)
    return next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))


def other_format(tree: Tree, wanted: str) -> str:
    """A hint at what a folder without files of one ending holds instead; empty if nothing known."""
    sources = {".xml": "voc", ".json": "coco", ".txt": "yolo"}
    counts = {ending: len(tree.ending(ending)) for ending in sources if ending != wanted}
    most = max(counts, key=lambda ending: counts[ending])
    if not counts[most]:
        folders = {path.parent for path in tree.plain_images()} - {tree.root} if wanted else set()
        return ". It has folders of images: perhaps data/source=image_folder reads it" if len(folders) > 1 else ""
    return f". It has {counts[most]} {most} files: perhaps data/source={sources[most]} reads it"
