"""Which job of a sweep is best, by the best checkpoint of each; made from the records alone."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from leyden.bench.config.overrides import nearest
from leyden.bench.run.record import Record, write
from leyden.report.text import csv_table, markdown_table

SHOWN = 10
"""Lines of the ranking on a terminal; the files have all."""


class Standing(NamedTuple):
    """What one job reached."""

    record: Record
    metric: str
    value: float
    """Of the best checkpoint; nan where the job is not done or has no such metric."""
    mode: str
    """Whether "max" or "min" of the metric is best."""


def standing(record: Record) -> Standing:
    """What a job reached by the metric of ``sweep.metric``, or by the one that its technique chooses checkpoints by."""
    asked = record.config.get("sweep") or {}
    monitor = record.environment.get("monitor", {"metric": "", "mode": "max"})
    metric = asked.get("metric") or f"best/{monitor['metric']}"
    mode = asked["mode"] if asked.get("metric") else monitor["mode"]
    done = record.status["status"] == "done"
    return Standing(record, metric, record.metrics.get(metric, math.nan) if done else math.nan, mode)


def ranking(records: Sequence[Record]) -> list[Standing]:
    """Best first, those of one metric together; jobs without a finite value are left out."""
    found = [place for place in map(standing, records) if math.isfinite(place.value)]
    metrics = list(dict.fromkeys(place.metric for place in found))
    return sorted(found, key=lambda p: (metrics.index(p.metric), p.value if p.mode == "min" else -p.value))


def rank(folder: Path, records: Sequence[Record]) -> str:
    """Writes ``ranking.csv`` and ``ranking.md`` into a sweep's folder.

    Returns:
        The beginning of the ranking as text; empty where no job has a value.
    """
    places = ranking(records)
    if not places:
        return unranked(records)
    words = {place.record.folder: dict(map(_split, own)) for place, own in zip(places, own_words(places), strict=True)}
    keys = list(dict.fromkeys(key for own in words.values() for key in own))
    numbers = dict.fromkeys((place.metric for place in places), 0)
    lines = []
    for place in places:
        numbers[place.metric] += 1
        own = words[place.record.folder]
        job = place.record.folder.name
        lines.append([numbers[place.metric], job, *(own.get(key, "") for key in keys), place.metric, place.value])
    header = ["rank", "job", *keys, "metric", "value"]
    write(folder / "ranking.csv", csv_table(header, lines))
    texts = [[*map(str, line[:-1]), f"{line[-1]:.4g}"] for line in lines]
    write(folder / "ranking.md", f"{markdown_table(header, texts)}\n")
    more = f"\n... and {len(texts) - SHOWN} more in {folder / 'ranking.md'}" if len(texts) > SHOWN else ""
    return markdown_table(header, texts[:SHOWN]) + more


def unranked(records: Sequence[Record]) -> str:
    """Why there is no ranking, where jobs are done but ``sweep.metric`` is none of theirs."""
    done = [record for record in records if record.status["status"] == "done"]
    asked = (done[0].config.get("sweep") or {}).get("metric") if done else None
    return f"no ranking: no job has the metric {asked}{nearest(asked, done[0].metrics)}" if asked else ""


def own_words(records: Sequence[Record | Standing]) -> list[list[str]]:
    """The words of each job that not all jobs have: what the sweep is over."""
    typed = [(item.record if isinstance(item, Standing) else item).overrides for item in records]
    common = set.intersection(*map(set, typed)) if len(typed) > 1 else set()
    return [[word for word in words if word not in common] for words in typed]


def _split(word: str) -> tuple[str, str]:
    key, _, value = word.partition("=")
    return key, value
