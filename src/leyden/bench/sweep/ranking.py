"""Which job of a sweep is best, by the best checkpoint of each, and in what jobs differ; read off the records."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from leyden.bench.run.record import Record
from leyden.core.start.nearest import nearest
from leyden.report.runs import ABSENT, value_at
from leyden.report.sweep.ranking import Entry, ranked, write_ranking
from leyden.report.sweep.selection import of_test

NO_SETTINGS = ("sweep.", "report.", "paths.", "hydra.", "callbacks.pruning.")
"""Overrides that change nothing of what a job reaches."""


def result_of(record: Record, settings: dict[str, Any] | None = None) -> Entry:
    """What a job reached by ``sweep.metric``, or by the metric that its technique chooses checkpoints by."""
    asked = record.config["sweep"]
    monitor = record.environment.get("monitor", {"metric": "", "mode": "max"})
    metric = asked["metric"] or f"best/{monitor['metric']}"
    mode = asked["mode"] if asked["metric"] else monitor["mode"]
    done = record.status["status"] == "done"
    return Entry(
        record.folder.name, settings or {}, metric, record.metrics.get(metric, math.nan) if done else math.nan, mode
    )


def rank(folder: Path, records: Sequence[Record]) -> str:
    """Writes the ranking into a sweep's folder; returns its beginning, or why there is none, or nothing."""
    entries = ranked([result_of(record, own) for record, own in zip(records, settings(records), strict=True)])
    return write_ranking(folder, entries) if entries else unranked(records)


def unranked(records: Sequence[Record]) -> str:
    """Why there is no ranking, where jobs are done but ``sweep.metric`` is none of theirs."""
    done = [record for record in records if record.status["status"] == "done"]
    asked = done[0].config["sweep"]["metric"] if done else None
    if not asked:
        return ""
    known = [metric for metric in done[0].metrics if of_test(metric) == of_test(asked)]
    return f"no ranking: no job has the metric {asked}{nearest(asked, known)}"


def settings(records: Sequence[Record]) -> list[dict[str, Any]]:
    """What each job has of all that was typed for any of them: the config's value, or the option of a group."""
    typed = [dict(override.lstrip("+~").partition("=")[::2] for override in record.overrides) for record in records]
    keys = [key for key in dict.fromkeys(k for own in typed for k in own) if not f"{key}.".startswith(NO_SETTINGS)]
    found = []
    for record, own in zip(records, typed, strict=True):
        config = record.config
        values = {key: value_at(config, key) for key in keys}
        group = {key: own.get(key, "") for key, value in values.items() if value == ABSENT or isinstance(value, dict)}
        found.append(values | group)
    return found
