"""Files that other processes may be reading or writing at the same time."""

import os
import re
from collections.abc import Callable
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
