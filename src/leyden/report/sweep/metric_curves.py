"""A chart of a sweep whose runs have several metrics to be compared: a line per metric against one key."""

from typing import Literal

import pandas as pd
from torch import Tensor

from leyden.report.runs import Run, all_numbers, axis
from leyden.report.statistics import score_table, summarize
from leyden.report.variants import VariantTable
from leyden.visualization.charts import draw_curves


class MetricCurves:
    """``report.png``, a line with its band per metric, with its numbers in ``report.md`` and ``report.csv``.

    Args:
        x: dotted config key whose values stand along the axis, logarithmic where all are numbers above 0.
        metrics: metric -> name of its line.
        title: of the chart.
        x_name: what is written below the axis, with unit.
        y_name: what the heights are, with unit.
        mode: whether "max" or "min" of the metrics is best.
    """

    def __init__(
        self,
        x: str,
        metrics: dict[str, str],
        title: str,
        x_name: str,
        y_name: str,
        mode: Literal["max", "min"] = "max",
    ) -> None:
        self.x, self.metrics, self.title, self.x_name, self.y_name = x, metrics, title, x_name, y_name
        self.table = VariantTable(x, dict.fromkeys(metrics, mode))

    def __call__(self, runs: list[Run]) -> dict[str, str | Tensor]:
        """The report's files by name; no image where there is nothing to draw.

        Raises:
            ValueError: there are runs, and none has the key, or they were evaluated on different numbers of samples.
        """
        files = self.table(runs)
        x = axis(runs, self.x)
        found = {
            line: summarize(score_table(runs, [x], metric), [x.names]).loc[x.names]
            for metric, line in self.metrics.items()
        }
        known = {line: summary for line, summary in found.items() if summary["runs"].any()}
        if not known:
            return files
        numbers = None not in x.values and all_numbers(x.values) and min(x.values) > 0
        positions = [float(value) for value in x.values] if numbers else [float(i) for i in range(len(x.names))]
        curves = {line: (positions, summary["mean"].tolist(), _spread(summary)) for line, summary in known.items()}
        ticks = None if numbers else x.names
        chart = draw_curves(curves, self.x_name, self.y_name, self.title, log_x=numbers, ticks=ticks)
        return {**files, "report.md": f"{files['report.md']}\n![{self.title}](report.png)\n", "report.png": chart}


def _spread(summary: pd.DataFrame) -> list[float] | None:
    """Standard deviations, where any value has one."""
    return None if summary["sd"].isna().all() else summary["sd"].tolist()
