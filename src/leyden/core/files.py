"""Files that other processes may be reading or writing at the same time."""

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path


def write_whole(file: Path, write: Callable[[Path], None]) -> None:
    """Lets ``write`` write under another name, then renames: whole or not at all, also with several processes at it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{os.getpid()}.{file.name}")
    try:
        write(partial)
        os.replace(partial, file)
    finally:
        partial.unlink(missing_ok=True)


def write_file(file: Path, content: str | bytes) -> None:
    """Writes a file, text as UTF-8, so that it is there whole or not at all."""

    def write(partial: Path) -> None:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)

    write_whole(file, write)


def clear_leftovers(folder: Path) -> None:
    """Deletes what processes that were killed while they wrote left below ``folder``, where no other one writes now."""
    for file in folder.rglob(".*"):
        if re.match(r"\.\d+\.", file.name):
            file.unlink(missing_ok=True)


@contextlib.contextmanager
def console_in(file: Path) -> Iterator[None]:
    """Appends to a file what this process writes to stdout and stderr, by whichever library."""
    kept = {stream: os.dup(stream) for stream in (1, 2)}
    try:
        with file.open("ab") as console:
            _redirect(dict.fromkeys(kept, console.fileno()))
        yield
    finally:
        _redirect(kept)
        for stream in kept.values():
            os.close(stream)


def _redirect(streams: dict[int, int]) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    for stream, to in streams.items():
        os.dup2(to, stream)
