"""A table of a sweep: mean and standard deviation over the seeds, the best of each row in bold."""

from collections.abc import Sequence
from typing import Literal

import pandas as pd
from torch import Tensor

from leyden.report.runs import Axis, Run, axis, check_samples
from leyden.report.statistics import ranked, score_table, summarize, texts
from leyden.report.text import csv_table, footnotes, heading, markdown_table, short


class SweepTable:
    """``report.md`` and ``report.csv`` with a cell per combination of config values.

    Args:
        rows: dotted config keys, a row per combination of their values, such as ``[data.labels_per_class]``.
        columns: dotted config keys, a column per combination of their values; one key may stand alone; an empty list
            gives one column.
        metric: whose mean and standard deviation over the runs in a cell are shown.
        mode: whether "max" or "min" of the metric is best.
    """

    def __init__(
        self, rows: list[str], columns: list[str] | str, metric: str, mode: Literal["max", "min"] = "max"
    ) -> None:
        self.rows = rows
        self.columns = [columns] if isinstance(columns, str) else columns
        self.metric, self.mode = metric, mode

    def __call__(self, runs: list[Run]) -> dict[str, str | Tensor]:
        """The report's files by name.

        Raises:
            ValueError: there are runs, and none has one of the keys, or they were evaluated on different numbers of
                samples.
        """
        check_samples(runs)
        axes = [axis(runs, key) for key in (*self.rows, *self.columns)]
        summary = summarize(score_table(runs, axes, self.metric), [axis.names for axis in axes])
        table = markdown_summary(axes, len(self.rows), summary, self.metric, self.mode)
        text = "\n\n".join([heading(runs), table, footnotes(runs, axes, summary, self.metric)])
        return {"report.md": f"{text}\n", "report.csv": csv_summary(axes, summary)}


def markdown_summary(axes: Sequence[Axis], across: int, summary: pd.DataFrame, metric: str, mode: str) -> str:
    """A summary as a markdown table.

    Args:
        axes: of the summary; the first ``across`` name the rows, the others the columns.
        across: see ``axes``.
        summary: of ``leyden.report.statistics.summarize``.
        metric: names the only column where no axis does.
        mode: which mean of a row is bold, "max" or "min"; one that stands alone is not.
    """
    swept = [names for names, row in summary.iterrows() if row["planned"]]
    rows = list(dict.fromkeys(names[:across] for names in swept))  # in the order of the axes
    used = {names[across:] for names in swept}
    columns = [names for names in dict.fromkeys(names[across:] for names in summary.index) if names in used]
    cells, means = texts(summary).to_dict(), summary["mean"].to_dict()
    lines = []
    for row in rows:
        line = {", ".join(column): cells[row + column] for column in columns}
        order = ranked({", ".join(column): means[row + column] for column in columns}, mode)
        if len(order) > 1:
            line[order[0]] = f"**{line[order[0]]}**"
        lines.append([*row, *line.values()])
    names = [", ".join(column) or metric for column in columns]
    return markdown_table([*(short(axis.key) for axis in axes[:across]), *names], lines)


def csv_summary(axes: Sequence[Axis], summary: pd.DataFrame) -> str:
    """A summary as CSV, a line each: names on the axes, mean, standard deviation, runs with a score, runs in all."""
    numbers = ["mean", "sd", "runs", "planned"]
    return csv_table(
        [*(axis.key for axis in axes), *numbers], summary[numbers].reset_index().itertuples(index=False, name=None)
    )
