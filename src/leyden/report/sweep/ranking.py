"""The ranking of a sweep's jobs: only the settings in which they differ, the best first and in bold."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from leyden.core.files import write_file
from leyden.report.sweep.selection import MARK, note
from leyden.report.text import csv_table, markdown_table

SHOWN = 10
"""Lines on a terminal; the files have all."""
LONGEST = 40
"""Characters of a setting; what is longer is cut in its middle."""


class Entry(NamedTuple):
    """A job and what it reached."""

    job: str
    settings: dict[str, Any]
    """Values by key, whether other jobs have the same or not."""
    metric: str
    value: float
    """nan where the job has none."""
    mode: str
    """Whether "max" or "min" of the metric is best."""


def ranked(entries: Sequence[Entry]) -> list[Entry]:
    """Best first, those of one metric together; jobs without a finite value are left out."""
    found = [entry for entry in entries if math.isfinite(entry.value)]
    metrics = list(dict.fromkeys(entry.metric for entry in found))
    return sorted(found, key=lambda e: (metrics.index(e.metric), e.value if e.mode == "min" else -e.value))


def write_ranking(folder: Path, entries: Sequence[Entry]) -> str:
    """Writes ``ranking.csv`` and ``ranking.md``; returns the beginning of the latter for a terminal.

    Args:
        folder: of the sweep.
        entries: as ``ranked`` orders them, at least one. What was selected on the test split is marked as such.
    """
    keys = differing([entry.settings for entry in entries])
    metrics = [entry.metric for entry in entries]
    ranks = [place - metrics.index(entry.metric) + 1 for place, entry in enumerate(entries)]
    one, mark = len(set(metrics)) == 1, note(metrics)

    lines, rows = [], []
    for rank, (job, settings, metric, value, _) in zip(ranks, entries, strict=True):
        own = [settings.get(key) for key in keys]
        lines.append([rank, job, *own, metric, value, *([MARK] if mark else [])])
        best = f"**{value:.4g}**" if rank == 1 and len(entries) > 1 else f"{value:.4g}"
        rows.append([str(rank), job, *map(shown, own), *([] if one else [metric]), best])
    header = ["rank", "job", *keys, "metric", "value", *(["note"] if mark else [])]
    write_file(folder / "ranking.csv", csv_table(header, lines))

    header = ["rank", "job", *keys, *(metrics[:1] if one else ["metric", "value"])]
    below = f"\n\n{mark}" if mark else ""
    write_file(folder / "ranking.md", f"{markdown_table(header, rows)}{below}\n")
    more = f"\n... and {len(rows) - SHOWN} more in {folder / 'ranking.md'}" if len(rows) > SHOWN else ""
    return markdown_table(header, rows[:SHOWN]) + more + below


def differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys of which not all have the same value."""
    keys = dict.fromkeys(key for own in settings for key in own)
    return [key for key in keys if len({repr(own.get(key)) for own in settings}) > 1]


def shown(value: Any) -> str:
    """A setting as text that is not too long: four digits of a float, the ends of a long text."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[: half - 1]}…{text[-half:]}"
