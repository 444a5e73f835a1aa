"""Files that other files name, with the paths of the computer that these were written on."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from leyden.data.source.annotations.layouts.tree import Tree, form
from leyden.data.source.annotations.text import printable
from leyden.data.source.files.layout import stage_of
from leyden.data.splits import Stage

SCHEME = re.compile(r"file:/{0,2}(?:localhost(?=/))?", re.IGNORECASE)
DRIVE = re.compile(r"/*[A-Za-z]:(?=/|$|[^/])")
NAMED = 3
"""Files that a message lists."""


class Places:
    """Finds files by their written paths.

    Args:
        tree: where to look for a bare name.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    def find(self, written: str, bases: Sequence[Path], stage: Stage | None = None) -> tuple[Path | None, str | None]:
        """The file that a path means, and what is to say of that.

        Tried in turn: the path below each base; the same with Windows' separators, drives, ``file://`` and ``%20``
        undone; the longest end of it that only one file below the root has, at least the bare name. Such a file does
        not lie in the folder of another split.

        Args:
            written: as it stands in the file.
            bases: folders that it may be relative to.
            stage: the split of the image, if it is known.

        Returns:
            The file with what was changed (None: nothing), or None with what is odd about the path.
        """
        text = written.strip().strip("\"'").strip()
        for path in (base / text for base in bases):
            if text and is_file(path):
                return plain(path), None
        variants = dict.fromkeys(undone for part in (text, unquote(text)) if (undone := undo(part)))
        for variant in variants:
            for path in (base / variant for base in (*bases, Path("/"))):
                if is_file(path):
                    return plain(path), _changed(written, path)
        for variant in variants:
            found = self._by_end(variant, stage)
            if len(found) == 1:
                return found[0], _changed(written, found[0])
            if found:
                listed = ", ".join(str(path) for path in found[:NAMED])
                return None, f"{printable(written)!r} may be each of {len(found)} files: {listed}"
            bare = variant.rstrip("/").rpartition("/")[2]
            images = [] if Path(bare).suffix else self.tree.images_by_stem(bare)
            images = [path for path in images if stage is None or self._may_be_of(stage, path, 0)]
            if bare and len(images) == 1:
                return images[0], _changed(written, images[0])
        return None, self._odd(text, bases)

    def find_folder(self, written: str, bases: Sequence[Path]) -> tuple[Path | None, str | None]:
        """The same for a folder: below a base, or the only one below the root that has an end of the path.

        That end still speaks of a split if the path does: "train/images" is not any folder "images".
        """
        for path in (base / written.strip() for base in bases):
            if is_folder(path):
                return plain(path), None
        parts = [part for part in undo(written.strip()).split("/") if part not in ("", ".", "..")]
        folders = self.tree.folders()
        of_split = any(map(stage_of, parts))
        for begin in range(len(parts)):
            if of_split and not any(map(stage_of, parts[begin:])):
                break
            for path in (base.joinpath(*parts[begin:]) for base in bases):
                if is_folder(path):
                    return plain(path), _changed(written, path)
            end = [form(part) for part in parts[begin:]]
            found = [path for path in folders if _shared_end(end, [form(part) for part in path.parts]) == len(end)]
            if len(found) == 1:
                return found[0], _changed(written, found[0])
        return None, None

    def _by_end(self, variant: str, stage: Stage | None) -> list[Path]:
        """The files that share the longest end with a path."""
        parts = [form(part) for part in variant.split("/") if part not in ("", ".", "..")]
        if not parts:
            return []
        shared = {
            path: _shared_end(parts, [form(part) for part in path.parts]) for path in self.tree.by_name(parts[-1])
        }
        if stage is not None:
            shared = {path: count for path, count in shared.items() if self._may_be_of(stage, path, count - 1)}
        return [path for path, count in shared.items() if count == max(shared.values())]

    def _may_be_of(self, stage: Stage, path: Path, written: int) -> bool:
        """Whether a split may have a file: of another split's folder only if that is ``written``, among the last."""
        inside = self.tree.inside(path)
        named = any(stage_of(part) for part in inside[max(0, len(inside) - written) :])
        return named or self.tree.stage(path) in (None, stage)

    def _odd(self, text: str, bases: Sequence[Path]) -> str:
        path = bases[0] / undo(text) if bases and undo(text) else Path(printable(text))
        what = f"there is no {printable(str(path))}"
        if re.match(r"(?!file:)[a-z]+:/+", text, re.IGNORECASE):
            return f"{printable(text)!r} is an address, not a file: download it and write its name"
        name = undo(text).rpartition("/")[2]
        if not name:
            return f"{printable(text)!r} is no file's name"
        others = self.tree.by_name(name)
        if others:
            return f"{what}; {others[0]} has its name, but is in another split"
        stem = name.rpartition(".")[0] or name
        same = self.tree.images_by_stem(stem)
        return (
            f"{what}, but {same[0]}: correct the ending" if same else f"{what}, nor {printable(name)!r} anywhere below"
        )


def undo(text: str) -> str:
    """A path with slashes, without ``file://``, drive letter and what the shell or a list puts before it."""
    text = SCHEME.sub("/", text, count=1) if SCHEME.match(text) else text
    text = DRIVE.sub("", text.replace("\\", "/"), count=1)
    while text.startswith("./"):
        text = text[2:].lstrip("/")
    return re.sub(r"(?<!^)/{2,}", "/", text)


def plain(path: Path) -> Path:
    """The path without ``.`` and ``..``, so that one file has one path."""
    return Path(os.path.normpath(path))


def is_file(path: Path) -> bool:
    """Whether it is one; no path is too odd to ask."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, a zero byte, half a character
        return False


def is_folder(path: Path) -> bool:
    """Whether it is one; no path is too odd to ask."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _changed(written: str, path: Path) -> str:
    return f"{printable(written.strip())!r} is taken as {plain(path)}"


def _shared_end(one: Sequence[str], other: Sequence[str]) -> int:
    count = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        count += 1
    return count
