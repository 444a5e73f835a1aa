"""Which image files there are below a folder: found once, kept in an npz file, held without an object for each."""

import hashlib
import json
import logging
import os
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from leyden.core.files import write_whole
from leyden.data.issues import Tally
from leyden.data.source.files.layout import IMAGE_ENDINGS, LINKED, SKIPPED, UNREAD, is_clutter

log = logging.getLogger(__name__)

VERSION = 4
"""Of the index: to be raised with any change of what is found or how it is kept."""
SETTLED = 2.0
"""Seconds: a folder that changed less long ago may change again and keep its time, so coarse are some file systems'."""


@dataclass(frozen=True)
class Listing:
    """Paths of image files in a fixed order.

    Arrays, because a list of a million ``Path`` takes 300 MB, and every look at one writes into it (Python counts who
    holds it), so that each forked worker soon has a copy of memory that they should share.
    """

    folder: str
    """That all of them are in."""
    paths: np.ndarray
    """(N,) bytes, below ``folder``, as wide as the longest."""
    sizes: np.ndarray
    """(N,) int64: of each file when it was found, bytes; -1 where that could not be seen."""
    tops: np.ndarray
    """(N,) int64: which of the folders that were looked into each file is in."""
    folders: np.ndarray
    """(F,) bytes: those that were looked through, below ``folder``."""

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> str:
        return os.path.join(self.folder, os.fsdecode(self.paths[index]))

    def take(self, indices: np.ndarray) -> "Listing":
        """The files at ``indices`` (M,) int64, in that order."""
        return Listing(self.folder, self.paths[indices], self.sizes[indices], self.tops[indices], self.folders)

    def digest(self) -> bytes:
        """A hash of paths and sizes, the same wherever ``folder`` lies."""
        return hashlib.sha256(self.paths.tobytes() + self.sizes.tobytes()).digest()


class _Found(NamedTuple):
    """What the index holds: the files, and all folders with their times."""

    paths: np.ndarray
    sizes: np.ndarray
    tops: np.ndarray
    folders: np.ndarray
    """(F,) bytes, below the folder of all."""
    times: np.ndarray
    """(F, 2) int64 nanoseconds, as ``_times`` has them."""
    skips: np.ndarray
    """uint8 JSON: what was passed over, {kind: [first path, count]}."""


def list_images(
    folder: Path, tops: Sequence[str] = ("",), cache: Path | None = None, tally: Tally | None = None
) -> Listing:
    """The image files at any depth below some folders; links to folders are not followed.

    What is hidden or of another program (``is_clutter``) is passed over at every depth.

    The index holds the times of every folder. To add, remove or rename a file changes those of its folder, so an index
    whose times are still the folders' own is right, and no folder is read. What it cannot see is a file that is written
    anew under its old name: its pixels are read as they are now, its size is that of then. The index may be removed at
    any time.

    Args:
        folder: of all of them.
        tops: the folders in it to look into, "" for itself; one that is not there holds nothing.
        cache: folder of the index, ``files-<key>.npz``; None keeps it nowhere.
        tally: counts what is passed over, also files with other endings; None does not count.

    Returns:
        The files of one top behind those of another, each in the order of their paths.
    """
    home = str(folder.resolve())
    about = json.dumps([VERSION, home, *tops]).encode()
    file = cache / f"files-{hashlib.sha256(os.fsencode(home)).hexdigest()[:24]}.npz" if cache is not None else None
    found = _kept(file, str(folder), about) if file is not None else None
    if found is None:
        began = time.time()
        found = _look(str(folder), tops)
        log.info("%s: found %d images in %.1f s", folder, len(found.paths), time.time() - began)
        if file is not None and found.times[:, 0].max(initial=0) < (began - SETTLED) * 1e9:
            _keep(found, about, file)
    else:
        log.info("%s: %d images, by the index %s", folder, len(found.paths), file)
    if tally is not None:
        for kind, (first, count) in json.loads(found.skips.tobytes()).items():
            tally.add(kind, os.path.join(folder, first), count)
    return Listing(str(folder), found.paths, found.sizes, found.tops, found.folders)


def _look(root: str, tops: Sequence[str]) -> _Found:
    files: list[tuple[bytes, int, int]] = []
    folders: list[tuple[bytes, int, int]] = []
    skips: dict[str, tuple[str, int]] = {}
    for number, top in enumerate(tops):
        if os.path.isdir(os.path.join(root, top)):
            files += [(path, size, number) for path, size in _walk(root, top, folders, skips)]
    paths, sizes, numbers = zip(*files, strict=True) if files else ((), (), ())
    return _Found(
        np.array(paths, "S"),
        np.array(sizes, np.int64),
        np.array(numbers, np.int64),
        np.array([inside for inside, *_ in folders], "S"),
        np.array([times for _, *times in folders], np.int64).reshape(-1, 2),
        np.frombuffer(json.dumps(skips).encode(), np.uint8),
    )


def _walk(
    root: str, inside: str, folders: list[tuple[bytes, int, int]], skips: dict[str, tuple[str, int]]
) -> Iterator[tuple[bytes, int]]:
    """The images of a folder and of those in it, with their sizes, in the order that sorted paths have."""
    path = os.path.join(root, inside)
    folders.append((os.fsencode(inside), *_times(path)))  # before the look, so that a change during it shows next time
    try:
        with os.scandir(path) as entries:
            ordered = sorted(entries, key=lambda entry: entry.name)
    except PermissionError as error:
        log.warning("%s: left out, it may not be read (%s)", path, error.strerror)
        return
    for entry in ordered:
        name = os.path.join(inside, entry.name)
        skipped = None
        if is_clutter(entry.name):
            skipped = SKIPPED
        elif entry.is_dir(follow_symlinks=False):
            yield from _walk(root, name, folders, skips)
        elif entry.is_symlink() and entry.is_dir():
            skipped = LINKED
        elif not entry.name.lower().endswith(IMAGE_ENDINGS) or not (entry.is_file() or entry.is_symlink()):
            skipped = UNREAD  # also pipes and sockets, at which reading would wait for ever
        else:
            try:
                yield os.fsencode(name), entry.stat().st_size
            except OSError:  # a link that leads nowhere: who reads it will be told
                yield os.fsencode(name), -1
        if skipped is not None:
            first, count = skips.get(skipped, (name, 0))
            skips[skipped] = first, count + 1


def _times(path: str) -> tuple[int, int]:
    """When a folder's content changed, and when anything of it did: tools that set back the first cannot do so here."""
    status = os.stat(path)
    return status.st_mtime_ns, status.st_ctime_ns


def _keep(found: _Found, about: bytes, file: Path) -> None:
    try:
        write_whole(file, lambda part: np.savez(part, about=np.frombuffer(about, np.uint8), **found._asdict()))
    except OSError as error:
        log.warning("the next start has to look for the images again: no index can be kept (%s)", error)


def _kept(file: Path, folder: str, about: bytes) -> _Found | None:
    """What an index holds; None where there is none, or none of what the folder is now."""
    if not file.is_file():
        return None
    try:
        with np.load(file, allow_pickle=False) as stored:
            if stored["about"].tobytes() != about:
                return None
            found = _Found(*(stored[name] for name in _Found._fields))
        _refuse_nonsense(found, len(json.loads(about)) - 2)
        now = [_times(os.path.join(folder, os.fsdecode(inside))) for inside in found.folders]
    except FileNotFoundError:  # one of the folders is gone
        return None
    except (
        OSError,
        EOFError,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        MemoryError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        log.warning("looked for images anew, because %s cannot be used: %s", file, str(error).partition("\n")[0])
        return None
    return found if np.array_equal(np.array(now).reshape(-1, 2), found.times) else None


def _refuse_nonsense(found: _Found, tops: int) -> None:
    """Raises ValueError where the parts of an index do not belong together, or lead to files elsewhere."""
    kinds = [part.dtype.kind for part in found]
    if (
        kinds != ["S", "i", "i", "S", "i", "u"]
        or len({len(part) for part in found[:3]}) > 1
        or not np.isin(found.tops, range(tops)).all()
        or not all(type(n) is int and isinstance(text, str) for text, n in json.loads(found.skips.tobytes()).values())
    ):
        raise ValueError("its parts do not belong together")
    for path in {*found.folders.tolist(), *map(os.path.dirname, found.paths.tolist())}:
        if path.startswith(b"/") or b".." in path.split(b"/"):
            raise ValueError(f"it leads to {path!r}")
