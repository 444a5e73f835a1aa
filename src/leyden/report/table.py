"""A table of a sweep: mean and standard deviation over the seeds, the best of each row in bold."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Literal

from torch import Tensor

from leyden.report.rows import Axis, Cell, Run, axis, best, sort_into_cells
from leyden.report.text import csv_table, digits_for, footing, heading, markdown_table, plus_minus, short


class SweepTable:
    """``report.md`` and ``report.csv`` with a cell per combination of config values.

    Args:
        rows: dotted config keys, a row per combination of their values, such as ``[data.labels_per_class]``.
        columns: likewise for the columns; one key may stand alone; an empty list gives one column.
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
            ValueError: there are runs, and none has one of the keys, or they were judged by different numbers of
                samples.
        """
        axes = [axis(runs, key) for key in (*self.rows, *self.columns)]
        cells = sort_into_cells(runs, axes, self.metric)
        table = markdown_cells(axes, len(self.rows), cells, self.metric, self.mode)
        text = "\n\n".join([heading(runs), table, footing(runs, axes, cells, self.metric)])
        return {"report.md": f"{text}\n", "report.csv": csv_cells(axes, cells)}


def markdown_cells(
    axes: Sequence[Axis], across: int, cells: Mapping[tuple[str, ...], Cell], metric: str, mode: str
) -> str:
    """The cells as a markdown table.

    Args:
        axes: of the cells; the first ``across`` name the rows, the others the columns.
        across: see ``axes``.
        cells: by their names on the axes.
        metric: names the only column where no axis does.
        mode: which mean of a row is bold, "max" or "min"; one that stands alone is not.
    """
    swept = [names for names, cell in cells.items() if cell.planned]
    rows = list(dict.fromkeys(names[:across] for names in swept))  # cells come in the order of the axes
    used = {names[across:] for names in swept}
    columns = [names for names in itertools.product(*(axis.names for axis in axes[across:])) if names in used]
    digits = digits_for(cells.values())
    lines = []
    for row in rows:
        texts = {", ".join(column): plus_minus(cells[row + column], digits) for column in columns}
        ranks = best({", ".join(column): cells[row + column] for column in columns}, mode)
        if len(ranks) > 1:
            texts[ranks[0]] = f"**{texts[ranks[0]]}**"
        lines.append([*row, *texts.values()])
    names = [", ".join(column) or metric for column in columns]
    return markdown_table([*(short(axis.key) for axis in axes[:across]), *names], lines)


def csv_cells(axes: Sequence[Axis], cells: Mapping[tuple[str, ...], Cell]) -> str:
    """The cells as CSV, a line each: names on the axes, mean, standard deviation, runs with a score, runs in all."""
    lines = [[*names, cell.mean, cell.sd, len(cell.scores), cell.planned] for names, cell in cells.items()]
    return csv_table([*(axis.key for axis in axes), "mean", "sd", "runs", "planned"], lines)
