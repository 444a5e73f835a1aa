"""Finding and opening checkpoints, with errors that say what to do; none of them can run code."""

import logging
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

import torch

from leyden.bench.config.allow_list import NotAllowedError
from leyden.bench.run.record import Record, RecordError

log = logging.getLogger(__name__)


class BrokenCheckpointError(RecordError):
    """A file that is no whole checkpoint."""


def technique_of(config: dict[str, Any]) -> str:
    """The dotted name of the class that a config's model is made of."""
    return config["model"]["_target_"]


def newest(record: Record, technique: str) -> Path | None:
    """The checkpoint from which a stopped run goes on; None where it must begin at the start.

    One that was cut short is said and left aside: instead of last.ckpt it is best.ckpt, from some steps earlier.
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
    """The checkpoint that a record's answers come from.

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
        NotAllowedError: it holds code, or names by which Lightning would call code or delete files.
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
    if "_instantiator" in (checkpoint.get("hyper_parameters") or {}):
        raise NotAllowedError(f"{path}: refused: it names a function that is to build the model")
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
