"""A chart of what a sweep's variants reach against what they cost, a panel per cost; and their numbers."""

import math

from torch import Tensor

from leyden.report.comparison import Comparison
from leyden.report.rows import Run, axis
from leyden.visualization.charts import draw_trade_offs


class TradeOff:
    """``report.png`` with a point per run, ``report.md`` and ``report.csv`` with a row per variant.

    Args:
        key: dotted config key that tells the variants apart, such as ``lab.variant``.
        reached: metric that is better the higher it is, such as ``test/ap50``; upwards.
        costs: metric that is better the lower it is -> its words with unit, such as ``test/ms_per_image``; above 0.
        title: of the chart.
    """

    def __init__(self, key: str, reached: str, costs: dict[str, str], title: str) -> None:
        self.key, self.reached, self.costs, self.title = key, reached, costs, title
        self._table = Comparison(key, {reached: "max", **dict.fromkeys(costs, "min")})

    def __call__(self, runs: list[Run]) -> dict[str, str | Tensor]:
        """The report's files by name; no picture where no run has both what it reached and a cost.

        Raises:
            ValueError: there are runs, and none has the key.
        """
        files = self._table(runs)
        variants = axis(runs, self.key)
        panels = {}
        for cost, words in self.costs.items():
            points: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in variants.names}
            for run in runs:
                x, y = (run["metrics"].get(metric, math.nan) for metric in (cost, self.reached))
                if math.isfinite(y) and 0 < x < math.inf:
                    xs, ys = points[variants.place(run)]
                    xs.append(x)
                    ys.append(y)
            panels[words] = {name: pair for name, pair in points.items() if pair[0]}
        if any(panels.values()):
            files["report.png"] = draw_trade_offs(panels, self.reached.removeprefix("test/"), self.title)
            files["report.md"] = f"{files['report.md']}\n![{self.title}](report.png)\n"
        return files
