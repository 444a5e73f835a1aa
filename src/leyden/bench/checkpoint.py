"""Finding and opening checkpoints, with errors that say what to do."""

import pickle
from pathlib import Path
from typing import Any

import torch

from leyden.bench.record import Record, RecordError


def technique_of(config: dict[str, Any]) -> str:
    """The dotted name of the class that a config's model is made of."""
    return config["model"]["_target_"]


def newest(record: Record, technique: str) -> Path | None:
    """The checkpoint from which a stopped run goes on; None where it must begin at the start."""
    for name in ("last", "best"):
        path = record.checkpoint(name)
        if path.is_file():
            verify(path, technique)
            return path
    return None


def best(record: Record, technique: str) -> Path:
    """The checkpoint that a record's answers come from.

    Raises:
        RecordError: the run has not come as far as to have one.
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
        RecordError: the file is cut short, holds something else, or belongs to another technique.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        others = ", ".join(file.name for file in sorted(path.parent.glob("*.ckpt")) if file != path) or "none"
        raise RecordError(
            f"{path} is not a whole checkpoint ({str(error).splitlines()[0]}): delete it to go on from another "
            f"(there is: {others}) or from the start"
        ) from error
    made_by = checkpoint.get("technique") if isinstance(checkpoint, dict) else None
    if made_by != technique:
        raise RecordError(f"{path} holds {made_by or 'no technique of Leyden'}, the config wants {technique}")
