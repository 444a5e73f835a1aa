"""A chart of a sweep: a line with its band per value of one key, against another key; and its numbers."""

from typing import Any, Literal

import pandas as pd
from torch import Tensor

from leyden.report.runs import Axis, Run, all_numbers, axis, check_samples
from leyden.report.statistics import score_table, summarize
from leyden.report.sweep.table import csv_summary, markdown_summary
from leyden.report.text import footnotes, heading
from leyden.visualization.charts import draw_curves


class SweepCurve:
    """``report.png`` with its numbers in ``report.md`` and ``report.csv``.

    Numbers stand on a logarithmic axis. Where null, which means "all", is one of them, or one is not above 0, all stand
    at equal distances instead, null last.

    Args:
        x: dotted config key whose values stand along the axis.
        lines: dotted config key with a line per value.
        metric: whose mean and standard deviation over the seeds are drawn.
        title: of the chart.
        x_name: what is written below the axis, with unit.
        order: values of ``x`` from left to right, at equal distances; null: numbers upwards, names as they were swept.
        mode: whether "max" or "min" of the metric is best.
    """

    def __init__(
        self,
        x: str,
        lines: str,
        metric: str,
        title: str,
        x_name: str,
        order: list[Any] | None = None,
        mode: Literal["max", "min"] = "max",
    ) -> None:
        self.x, self.lines, self.metric, self.mode = x, lines, metric, mode
        self.title, self.x_name, self.order = title, x_name, order

    def __call__(self, runs: list[Run]) -> dict[str, str | Tensor]:
        """The report's files by name; no image where there is nothing to draw.

        Raises:
            ValueError: there are runs, and none has one of the keys, or they were evaluated on different numbers of
                samples.
        """
        check_samples(runs)
        x, lines = axis(runs, self.x, self.order), axis(runs, self.lines)
        axes = [x, lines]
        summary = summarize(score_table(runs, axes, self.metric), [x.names, lines.names])
        parts = [
            heading(runs),
            markdown_summary(axes, 1, summary, self.metric, self.mode),
            footnotes(runs, axes, summary, self.metric),
        ]
        files: dict[str, str | Tensor] = {"report.csv": csv_summary(axes, summary)}
        if (chart := self._draw(x, lines, summary)) is not None:
            parts.append(f"![{self.title}](report.png)")
            files["report.png"] = chart
        return {"report.md": "\n\n".join(parts) + "\n", **files}

    def _draw(self, x: Axis, lines: Axis, summary: pd.DataFrame) -> Tensor | None:
        numbers = self.order is None and None not in x.values and all_numbers(x.values) and min(x.values, default=0) > 0
        positions = [float(value) for value in x.values] if numbers else list(range(len(x.names)))
        curves = {}
        for line in lines.names:
            column = summary.xs(line, level=1)
            if column["runs"].any():
                spread = None if column["sd"].isna().all() else column["sd"].tolist()
                curves[line] = (positions, column["mean"].tolist(), spread)
        if not curves:
            return None
        ticks = None if numbers else x.names
        return draw_curves(curves, self.x_name, self.metric.replace("/", " "), self.title, log_x=numbers, ticks=ticks)
