"""The technique of a record, as its best checkpoint holds it."""

from pkgutil import resolve_name
from typing import Any

from leyden.bench.config.allow_list import refuse_unknown_code
from leyden.bench.run.checkpoint import best, technique_of
from leyden.bench.run.record import Record
from leyden.core.technique import Advises, Exports, Predicts, Samples


def load_best(record: Record) -> Any:
    """The technique as the record's best checkpoint holds it, on the CPU, in evaluation mode."""
    refuse_unknown_code(record.config["model"], record.allow, "model")
    technique = technique_of(record.config)
    checkpoint = best(record, technique)
    return resolve_name(technique).load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True).eval()


def verbs_of(model: object) -> str:
    """The verbs that a technique has besides those that all have, for error messages: ``predict, export``."""
    verbs = {"predict": Predicts | Samples, "export": Exports, "advise": Advises}
    return ", ".join(["evaluate", *(verb for verb, protocol in verbs.items() if isinstance(model, protocol))])
