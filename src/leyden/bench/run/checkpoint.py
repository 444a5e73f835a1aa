"""Checkpoint files: written whole or not at all, found, and opened without running code that they may hold."""

import logging
import os
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

import torch
from lightning.pytorch.plugins import TorchCheckpointIO

from leyden.bench.config.allow_list import NotAllowedError
from leyden.bench.run.record import Record, RecordError
from leyden.core.files import write_whole

log = logging.getLogger(__name__)


class BrokenCheckpointError(RecordError):
    """A file that is no whole checkpoint."""


def technique_of(config: dict[str, Any]) -> str:
    """The dotted name of the class that a config's model is made of."""
    return config["model"]["_target_"]


def newest(record: Record, technique: str) -> Path | None:
    """The checkpoint from which a stopped run goes on; None where it must begin at the start.

    One that was cut short is logged and passed over: instead of last.ckpt it is best.ckpt, from some steps earlier.
    Without a whole best.ckpt, whose place nothing can take, the run begins at the start and ends as it would have.

    Raises:
        RecordError: a checkpoint belongs to another technique.
        NotAllowedError: it holds more than a run leaves.
    """
    last, kept = record.checkpoint("last"), record.checkpoint("best")
    if kept.is_file() and not _is_whole(kept, technique):
        log.warning("%s is cut short, and no other holds the best weights: beginning at the start", kept)
        last.unlink(missing_ok=True)  # first, so that a kill in between cannot leave it without the other
        kept.unlink(missing_ok=True)
        return None
    if last.is_file() and _is_whole(last, technique):
        return last
    if last.is_file():
        log.warning("%s is cut short: going on from %s", last, kept if kept.is_file() else "the start")
    return kept if kept.is_file() else None


def best(record: Record, technique: str) -> Path:
    """The checkpoint that a record's predictions come from.

    Raises:
        RecordError: the run has not come as far as to have one, or it is broken or another technique's.
        NotAllowedError: it holds more than a run leaves.
    """
    for name in ("best", "last"):
        path = record.checkpoint(name)
        if path.is_file():
            verify(path, technique)
            return path
    raise RecordError(f"{record.folder} has no checkpoint yet: `leyden resume {record.folder}` first")


def verify(path: Path, technique: str) -> None:
    """Reads a checkpoint's outline.

    Raises:
        BrokenCheckpointError: the file is cut short or holds something else.
        RecordError: it belongs to another technique.
        NotAllowedError: it holds code, or names files that Lightning would delete.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError, LookupError, AttributeError) as error:
        if isinstance(error, pickle.UnpicklingError) and zipfile.is_zipfile(path):  # torch would advise to run it
            raise NotAllowedError(f"{path}: refused: it holds more than tensors and plain values") from error
        others = ", ".join(file.name for file in sorted(path.parent.glob("*.ckpt")) if file != path) or "none"
        reason = (str(error).splitlines() or ["it is empty"])[0]
        raise BrokenCheckpointError(
            f"{path} is not a whole checkpoint ({reason}): delete it to go on from another "
            f"(there is: {others}) or from the start"
        ) from error
    made_by = checkpoint.get("technique") if isinstance(checkpoint, dict) else None
    if made_by != technique:
        raise RecordError(f"{path} holds {made_by or 'no technique of Leyden'}, the config wants {technique}")
    # ModelCheckpoint deletes a file that its stored state names, if it seems to lie in its own folder.
    if climbing := next((text for text in _texts(checkpoint.get("callbacks")) if ".." in PurePath(text).parts), None):
        raise NotAllowedError(f"{path}: refused: it names the file {climbing}, which need not lie in the record")


def _is_whole(path: Path, technique: str) -> bool:
    try:
        verify(path, technique)
    except BrokenCheckpointError:
        return False
    return True


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
