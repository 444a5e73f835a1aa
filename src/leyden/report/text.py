"""Headings, footnotes and tables of reports, in markdown that reads well in a terminal too, and as CSV."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from leyden.report.runs import Axis, Run

if TYPE_CHECKING:
    import pandas as pd

MAX_NAMED = 12
"""Missing runs or cells that are named one by one; the rest is counted."""


def heading(runs: Sequence[Run]) -> str:
    """The lab's title and question, as far as the runs' configs have them."""
    lab = runs[0]["config"].get("lab", {}) if runs else {}
    parts = [f"# {lab['title']}" if lab.get("title") else "# Report", (lab.get("question") or "").strip()]
    return "\n\n".join(part for part in parts if part)


def footnotes(runs: Sequence[Run], axes: Sequence[Axis], summary: "pd.DataFrame", metric: str) -> str:
    """What the numbers are and how many runs they stand on; which runs and cells are missing.

    Args:
        runs: of the sweep.
        axes: of the summary.
        summary: of ``leyden.report.statistics.summarize``.
        metric: whose mean and standard deviation the summary has.
    """
    missing = [run["folder"].name for run in runs if not math.isfinite(run["metrics"].get(metric, math.nan))]
    empty = [_assign(axes, names) for names, row in summary.iterrows() if row["planned"] and not row["runs"]]
    absent = [_assign(axes, names) for names, row in summary.iterrows() if not row["planned"]]
    lines = [
        f"{metric}: mean ± standard deviation over seeds, from {len(runs) - len(missing)} of {len(runs)} runs.",
        f"Runs without it: {_some(missing)}." if missing else "",
        f"Cells without it: {_some(empty, '; ')}." if empty else "",
        f"Not in the sweep: {_some(absent, '; ')}." if absent else "",
    ]
    measured = sorted({name for run in runs for name in run["metrics"]})
    if measured and metric not in measured:
        lines.append(f"No run measured it; what they measured: {', '.join(measured)}.")
    if (summary["runs"] > summary["seeds"]).any():
        lines.append(
            "Some cells hold several runs of a seed, which differ in what this report pools; each seed's mean counts."
        )
    return "  \n".join(line for line in lines if line)  # two blanks break a line in markdown


def short(key: str) -> str:
    """The part of a key that names it: ``model.strategy`` is strategy, ``data.source._target_`` is source."""
    return key.removesuffix("._target_").rpartition(".")[2]


def markdown_table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table whose columns are also aligned as plain text.

    pandas' own ``to_markdown`` needs one more package and does not escape.
    """
    table = [[text.replace("|", "\\|").replace("\n", " ") for text in line] for line in (header, *lines)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    rows = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in table]
    return "\n".join([rows[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *rows[1:]])


def csv_table(header: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    """Comma-separated values with all digits; nan leaves a field empty."""
    import pandas as pd  # half a second, which only those pay who write a table

    return pd.DataFrame(list(lines), columns=list(header), dtype=object).to_csv(index=False, lineterminator="\n")


def _assign(axes: Sequence[Axis], names: Any) -> str:
    return ", ".join(f"{short(axis.key)}={name}" for axis, name in zip(axes, names, strict=True))


def _some(names: Sequence[str], between: str = ", ") -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return between.join(names[:MAX_NAMED]) + more
