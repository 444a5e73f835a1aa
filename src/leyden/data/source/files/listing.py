"""Which picture files there are below a folder: found once, kept in an index, and held without an object for each."""

import hashlib
import json
import logging
import os
import time
import zipfile
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torchvision.datasets.folder import IMG_EXTENSIONS

from leyden.core.files import write_whole

log = logging.getLogger(__name__)

VERSION = 1
"""Of the index: to be raised with any change of what is found or how it is kept."""
SETTLED = 2.0
"""Seconds: a folder that changed less long ago may change again and keep its time, so coarse are some file systems'."""
KINDS = {"names": np.uint8, "lengths": np.uint16, "inside": np.int32, "sizes": np.int64}


@dataclass(frozen=True)
class Listing:
    """Paths of picture files in a fixed order.

    A list of a million ``Path`` takes 300 MB. Worse, every look at one writes into it, because Python counts who holds
    it: of the memory that forked workers share, each of them soon has a copy. Arrays can be looked at without that.
    """

    folder: str
    """That all of them are in."""
    folders: list[str]
    """Their own folders, below that; "" is ``folder`` itself."""
    names: np.ndarray
    """(bytes,) uint8: all names, one behind another."""
    starts: np.ndarray
    """(N,) int64: where in ``names`` each begins."""
    lengths: np.ndarray
    """(N,) uint16: of each name, bytes."""
    inside: np.ndarray
    """(N,) int32: which of ``folders`` each is in."""
    sizes: np.ndarray
    """(N,) int64: of each file when it was found, bytes; -1 where that could not be seen."""

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> str:
        start = int(self.starts[index])
        name = self.names[start : start + int(self.lengths[index])].tobytes()
        return os.path.join(self.folder, self.folders[self.inside[index]], os.fsdecode(name))

    def take(self, indices: np.ndarray) -> "Listing":
        """The files at ``indices`` (M,) int64, in that order."""
        parts = (part[indices] for part in (self.starts, self.lengths, self.inside, self.sizes))
        return Listing(self.folder, self.folders, self.names, *parts)

    def digest(self) -> bytes:
        """A hash of names and sizes, the same wherever ``folder`` lies."""
        state = hashlib.sha256(json.dumps(self.folders).encode())
        for part in (self.names, self.starts, self.lengths, self.inside, self.sizes):
            state.update(part.tobytes())
        return state.digest()


def list_images(folder: Path, tops: Sequence[str] = ("",), cache: Path | None = None) -> Listing:
    """The picture files at any depth below some folders; links to folders are not followed.

    The index holds the times of every folder. To add, remove or rename a file changes those of its folder, so an index
    whose times are still the folders' own is right, and no folder is read. What it cannot see is a file that is written
    anew under its old name: its pixels are read as they are now, its size is that of then. The index may be removed at
    any time.

    Args:
        folder: of all of them.
        tops: the folders in it to look into, "" for itself; one that is not there holds nothing.
        cache: folder of the index, ``files-<key>.npz``; None keeps it nowhere.

    Returns:
        The files of one top behind those of another, each in the order of their paths.
    """
    home = str(folder.resolve())
    about = {"version": VERSION, "folder": home, "tops": list(tops)}
    key = hashlib.sha256(os.fsencode(home)).hexdigest()[:24]
    file = cache / f"files-{key}.npz" if cache is not None else None
    if file is not None and (kept := _kept(file, str(folder), about)) is not None:
        log.info("%s: %d pictures, by the index %s", folder, len(kept), file)
        return kept
    now, began = time.time(), time.perf_counter()
    walk = _Walk(str(folder))
    for top in tops:
        if (folder / top).is_dir():
            walk.enter(top)
    found = walk.listing()
    log.info("%s: found %d pictures in %.1f s", folder, len(found), time.perf_counter() - began)
    if file is not None and max(walk.times[::2], default=0) < (now - SETTLED) * 1e9:
        _keep(found, walk.times, about, file)
    return found


class _Walk:
    """Gathers pictures below a folder, in arrays from the first on."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.folders: list[str] = []
        self.times = array("q")
        """For each of ``folders`` two, as ``_times`` has them."""
        self.names = bytearray()
        self.lengths, self.inside, self.sizes = array("H"), array("i"), array("q")

    def enter(self, inside: str) -> None:
        """Takes the pictures of a folder and of those in it, in the order that sorted paths have."""
        path = os.path.join(self.folder, inside)
        number = len(self.folders)
        self.folders.append(inside)
        self.times.extend(_times(path))  # before the look, so that a change during it shows the next time
        deeper, pictures = set(), []
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        deeper.add(entry.name)
                    elif entry.name[1:].lower().endswith(IMG_EXTENSIONS):
                        pictures.append(entry.name)
        except PermissionError as error:
            log.warning("%s: left out, it may not be read (%s)", path, error.strerror)
        for name in sorted([*deeper, *pictures]):
            if name in deeper:
                self.enter(os.path.join(inside, name))
                continue
            encoded = os.fsencode(name)
            self.names += encoded
            self.lengths.append(len(encoded))
            self.inside.append(number)
            self.sizes.append(_size(os.path.join(path, name)))

    def listing(self) -> Listing:
        """What was gathered."""
        parts = {"names": self.names, "lengths": self.lengths, "inside": self.inside, "sizes": self.sizes}
        return _listing(self.folder, self.folders, {name: np.array(part, KINDS[name]) for name, part in parts.items()})


def _listing(folder: str, folders: list[str], parts: dict[str, np.ndarray]) -> Listing:
    starts = parts["lengths"].cumsum(dtype=np.int64) - parts["lengths"]
    return Listing(folder, folders, starts=starts, **parts)


def _times(path: str) -> tuple[int, int]:
    """When a folder's content changed, and when anything of it did: tools that set back the first cannot do so here."""
    status = os.stat(path)
    return status.st_mtime_ns, status.st_ctime_ns


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:  # a link that leads nowhere: who reads it will be told
        return -1


def _keep(found: Listing, times: "array[int]", about: dict[str, Any], file: Path) -> None:
    head = np.frombuffer(json.dumps({**about, "folders": found.folders}).encode(), np.uint8)
    parts = {name: getattr(found, name) for name in KINDS}
    try:
        write_whole(file, lambda partial: np.savez(partial, head=head, times=np.array(times), **parts))
    except OSError as error:
        log.warning("the next start has to look for the pictures again: no index can be kept (%s)", error)


def _kept(file: Path, folder: str, about: dict[str, Any]) -> Listing | None:
    """What an index holds; None where there is none, or none of what the folder is now."""
    if not file.is_file():
        return None
    try:
        with np.load(file, allow_pickle=False) as stored:
            head, times = json.loads(stored["head"].tobytes()), stored["times"]
            parts = {name: stored[name] for name in KINDS}
        folders = head.pop("folders")
        if head != about or not set(about["tops"]) <= set(folders):
            return None
        _refuse_nonsense(folders, about["tops"], parts)
        now = np.array([_times(os.path.join(folder, inside)) for inside in folders])
    except FileNotFoundError:  # one of the folders is gone
        return None
    except (OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, MemoryError, zipfile.BadZipFile,
            zlib.error) as error:  # fmt: skip  # whatever reading a broken file may raise
        log.warning("looked for pictures anew, because %s cannot be used: %s", file, str(error).partition("\n")[0])
        return None
    return _listing(folder, folders, parts) if np.array_equal(now.flatten(), times) else None


def _refuse_nonsense(folders: list[str], tops: list[str], parts: dict[str, np.ndarray]) -> None:
    """Raises ValueError where the parts of an index do not belong together, or lead to files elsewhere."""
    lengths, inside = parts["lengths"], parts["inside"]
    count = len(lengths)
    if (
        any(part.dtype != KINDS[name] or part.ndim != 1 for name, part in parts.items())
        or not len(inside) == len(parts["sizes"]) == count
        or lengths.sum(dtype=np.int64) != len(parts["names"])
        or (count and not (lengths.min() > 0 and 0 <= inside.min() <= inside.max() < len(folders)))
    ):
        raise ValueError("its parts do not belong together")
    for path in folders:
        within = any(top in ("", path) or path.startswith(f"{top}/") for top in tops)
        if not within or os.path.isabs(path) or ".." in path.split("/"):
            raise ValueError(f"it leads to {path}")
    if np.isin(parts["names"], (0, ord("/"))).any():
        raise ValueError("it holds a name that no file can have")
