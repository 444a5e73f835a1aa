"""The checkpoints of a record: the one to go on from, the best one, and the technique in it."""

import logging
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from leyden.bench.run.record import Record
from leyden.core.allow_list import refuse_unknown_code
from leyden.training.checkpoint import BrokenCheckpointError, verify

log = logging.getLogger(__name__)


def technique_of(config: dict[str, Any]) -> str:
    """The dotted name of the class that a config's model is made of."""
    return config["model"]["_target_"]


def newest(record: Record, technique: str) -> Path | None:
    """The checkpoint from which a stopped run goes on; None where it must begin at the start.

    One that was cut short is logged and passed over: instead of last.ckpt it is best.ckpt, from some steps earlier.
    Without a whole best.ckpt, whose place nothing can take, the run begins at the start and ends as it would have.

    Raises:
        CheckpointError: a checkpoint belongs to another technique, or holds more than a run leaves.
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
        RecordError: the run has not come as far as to have one.
        CheckpointError: it is broken, another technique's, or holds more than a run leaves.
    """
    path = record.kept_checkpoint()
    verify(path, technique)
    return path


def _is_whole(path: Path, technique: str) -> bool:
    try:
        verify(path, technique)
    except BrokenCheckpointError:
        return False
    return True


def load_best(record: Record) -> Any:
    """The technique as the record's best checkpoint holds it, on the CPU, in evaluation mode."""
    refuse_unknown_code(record.config["model"], record.allow, "model")
    technique = technique_of(record.config)
    checkpoint = best(record, technique)
    return resolve_name(technique).load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True).eval()
