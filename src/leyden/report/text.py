"""A report's words and tables: markdown that reads well in a terminal too, and CSV."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from leyden.report.rows import Axis, Cell, Run

MOST_NAMED = 12
"""Missing runs or cells that are named one by one; the rest is counted."""


def heading(runs: Sequence[Run]) -> str:
    """The lab's title and question, as far as the runs' configs have them."""
    lab = runs[0]["config"].get("lab", {}) if runs else {}
    parts = [f"# {lab['title']}" if lab.get("title") else "# Report", (lab.get("question") or "").strip()]
    return "\n\n".join(part for part in parts if part)


def footing(runs: Sequence[Run], axes: Sequence[Axis], cells: Mapping[tuple[str, ...], Cell], metric: str) -> str:
    """What the numbers are and how many runs they stand on; which runs and cells are missing."""
    sound = [run for run in runs if math.isfinite(run["metrics"].get(metric, math.nan))]
    missing = [run["folder"].name for run in runs if run not in sound]
    empty = [", ".join(map(_assign, axes, names)) for names, cell in cells.items() if cell.planned and not cell.scores]
    absent = [", ".join(map(_assign, axes, names)) for names, cell in cells.items() if not cell.planned]
    lines = [
        f"{metric}: mean ± standard deviation over seeds, from {len(sound)} of {len(runs)} runs.",
        f"Runs without it: {_some(missing)}." if missing else "",
        f"Cells without it: {_some(empty, '; ')}." if empty else "",
        f"Not in the sweep: {_some(absent, '; ')}." if absent else "",
    ]
    measured = sorted({name for run in runs for name in run["metrics"]})
    if measured and metric not in measured:
        lines.append(f"No run measured it; what they measured: {', '.join(measured)}.")
    if any(len(cell.scores) > len(cell.by_seed) for cell in cells.values()):
        lines.append(
            "Some cells hold several runs of a seed, which differ in what this report pools; each seed's mean counts."
        )
    return "  \n".join(line for line in lines if line)  # two blanks break a line in markdown


def plus_minus(cell: Cell, digits: int) -> str:
    """``0.801 ± 0.055``, with the number of runs where some are missing; a dash where all are."""
    if not cell.scores:
        return "-"
    spread = "-" if math.isnan(cell.sd) else f"{cell.sd:.{digits}f}"
    rest = f" ({len(cell.scores)} of {cell.planned})" if len(cell.scores) < cell.planned else ""
    return f"{cell.mean:.{digits}f} ± {spread}{rest}"


def digits_for(cells: Iterable[Cell]) -> int:
    """Decimals with which the largest mean shows three digits; the same for all, so that they compare at a glance."""
    largest = max((abs(cell.mean) for cell in cells if cell.scores), default=0.0)
    return max(0, 3 - math.ceil(math.log10(largest))) if largest else 3


def short(key: str) -> str:
    """A key's last word that means something: ``model.strategy`` is strategy, ``data.source._target_`` is source."""
    return key.removesuffix("._target_").rpartition(".")[2]


def markdown_table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table whose columns are also aligned as plain text."""
    table = [[text.replace("|", "\\|").replace("\n", " ") for text in line] for line in (header, *lines)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    rows = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in table]
    return "\n".join([rows[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *rows[1:]])


def csv_table(header: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    """Comma-separated values with all digits; nan leaves a field empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([["" if value != value else value for value in line] for line in lines])  # only nan is not itself
    return text.getvalue()


def _assign(axis: Axis, name: str) -> str:
    return f"{short(axis.key)}={name}"


def _some(names: Sequence[str], between: str = ", ") -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return between.join(names[:MOST_NAMED]) + more
