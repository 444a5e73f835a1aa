"""Which job of a sweep is best, by the best checkpoint of each; made from the records alone."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from leyden.bench.run.record import Record
from leyden.core.arguments import nearest
from leyden.core.files import write_file
from leyden.report.text import csv_table, markdown_table

SHOWN = 10
"""Lines of the ranking on a terminal; the files have all."""


class Result(NamedTuple):
    """What one job reached."""

    record: Record
    metric: str
    value: float
    """Of the best checkpoint; nan where the job is not done or has no such metric."""
    mode: str
    """Whether "max" or "min" of the metric is best."""


def result_of(record: Record) -> Result:
    """What a job reached by the metric of ``sweep.metric``, or by the one that its technique chooses checkpoints by."""
    asked = record.config["sweep"]
    monitor = record.environment.get("monitor", {"metric": "", "mode": "max"})
    metric = asked["metric"] or f"best/{monitor['metric']}"
    mode = asked["mode"] if asked["metric"] else monitor["mode"]
    done = record.status["status"] == "done"
    return Result(record, metric, record.metrics.get(metric, math.nan) if done else math.nan, mode)


def ranking(records: Sequence[Record]) -> list[Result]:
    """Best first, those of one metric together; jobs without a finite value are left out."""
    found = [result for result in map(result_of, records) if math.isfinite(result.value)]
    metrics = list(dict.fromkeys(result.metric for result in found))
    return sorted(found, key=lambda r: (metrics.index(r.metric), r.value if r.mode == "min" else -r.value))


def rank(folder: Path, records: Sequence[Record]) -> str:
    """Writes ``ranking.csv`` and ``ranking.md`` into a sweep's folder.

    Returns:
        The beginning of the ranking as text; why there is none, or nothing, where no job has a value.
    """
    results = ranking(records)
    if not results:
        return unranked(records)
    swept = [dict(map(_split, own)) for own in own_overrides([result.record for result in results])]
    keys = list(dict.fromkeys(key for own in swept for key in own))
    numbers = dict.fromkeys((result.metric for result in results), 0)
    lines = []
    for result, own in zip(results, swept, strict=True):
        numbers[result.metric] += 1
        job = result.record.folder.name
        values = [own.get(key, "") for key in keys]
        lines.append([numbers[result.metric], job, *values, result.metric, result.value])
    header = ["rank", "job", *keys, "metric", "value"]
    write_file(folder / "ranking.csv", csv_table(header, lines))
    texts = [[*map(str, line[:-1]), f"{line[-1]:.4g}"] for line in lines]
    write_file(folder / "ranking.md", f"{markdown_table(header, texts)}\n")
    more = f"\n... and {len(texts) - SHOWN} more in {folder / 'ranking.md'}" if len(texts) > SHOWN else ""
    return markdown_table(header, texts[:SHOWN]) + more


def unranked(records: Sequence[Record]) -> str:
    """Why there is no ranking, where jobs are done but ``sweep.metric`` is none of theirs."""
    done = [record for record in records if record.status["status"] == "done"]
    asked = done[0].config["sweep"]["metric"] if done else None
    return f"no ranking: no job has the metric {asked}{nearest(asked, done[0].metrics)}" if asked else ""


def own_overrides(records: Sequence[Record]) -> list[list[str]]:
    """The overrides of each job that not all jobs have: what the sweep is over."""
    typed = [record.overrides for record in records]
    common = set.intersection(*map(set, typed)) if len(typed) > 1 else set()
    return [[override for override in own if override not in common] for own in typed]


def _split(override: str) -> tuple[str, str]:
    key, _, value = override.partition("=")
    return key, value
