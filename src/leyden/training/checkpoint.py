"""Checkpoint files: written whole or not at all, and opened without running code that they may hold."""

import os
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

import torch
from lightning.pytorch.plugins import TorchCheckpointIO

from leyden.core.files import write_whole


class CheckpointError(ValueError):
    """A checkpoint that must not or cannot be used; the message says why."""


class BrokenCheckpointError(CheckpointError):
    """A file that is no whole checkpoint."""


def verify(path: Path, technique: str) -> None:
    """Reads a checkpoint's outline.

    Raises:
        BrokenCheckpointError: the file is cut short or holds something else.
        CheckpointError: it belongs to another technique, holds code, or names files that Lightning would delete.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError, LookupError, AttributeError) as error:
        if isinstance(error, pickle.UnpicklingError) and zipfile.is_zipfile(path):  # torch would advise to run it
            raise CheckpointError(f"{path}: refused: it holds more than tensors and plain values") from error
        others = ", ".join(file.name for file in sorted(path.parent.glob("*.ckpt")) if file != path) or "none"
        reason = (str(error).splitlines() or ["it is empty"])[0]
        raise BrokenCheckpointError(
            f"{path} is not a whole checkpoint ({reason}): delete it to go on from another "
            f"(there is: {others}) or from the start"
        ) from error
    made_by = checkpoint.get("technique") if isinstance(checkpoint, dict) else None
    if made_by != technique:
        raise CheckpointError(f"{path} holds {made_by or 'no technique of Leyden'}, the config wants {technique}")
    # ModelCheckpoint deletes a file that its stored state names, if it seems to lie in its own folder.
    if climbing := next((text for text in _texts(checkpoint.get("callbacks")) if ".." in PurePath(text).parts), None):
        raise CheckpointError(f"{path}: refused: it names the file {climbing}, which need not lie in the record")


def _texts(value: Any) -> Iterator[str]:
    """All texts in nested dicts, keys too, and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(key)
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint under another name beside its place, then renames it: a kill leaves the old one whole.

    Args:
        technique: dotted name of the class whose checkpoints these are; it is written into each.
    """

    def __init__(self, technique: str) -> None:
        self.technique = technique

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Saves ``checkpoint`` at ``path``, whole or not at all."""

        def put(partial: Path) -> None:
            with partial.open("wb") as file:
                try:
                    torch.save({**checkpoint, "technique": self.technique}, file)
                except RuntimeError as error:
                    # On a full disk torch's writer speaks of positions in its archive.
                    raise error.__context__ if isinstance(error.__context__, OSError) else error from None
                file.flush()
                os.fsync(file.fileno())

        write_whole(Path(path), put)
