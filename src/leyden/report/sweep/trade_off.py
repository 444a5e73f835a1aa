"""A chart of what a sweep's variants reach against what they cost, a panel per cost; and their numbers."""

from torch import Tensor

from leyden.report.runs import Run, axis
from leyden.report.statistics import score_table
from leyden.report.variants import VariantTable
from leyden.visualization.scatter import draw_trade_offs


class TradeOff:
    """``report.png`` with a point per run, ``report.md`` and ``report.csv`` with a row per variant.

    Args:
        key: dotted config key that tells the variants apart, such as ``lab.variant``.
        reached: metric that is better the higher it is, such as ``test/ap50``; upwards.
        costs: metric that is better the lower it is -> its description with unit, such as ``test/ms_per_image``;
            above 0.
        title: of the chart.
    """

    def __init__(self, key: str, reached: str, costs: dict[str, str], title: str) -> None:
        self.key, self.reached, self.costs, self.title = key, reached, costs, title
        self._table = VariantTable(key, {reached: "max", **dict.fromkeys(costs, "min")})

    def __call__(self, runs: list[Run]) -> dict[str, str | Tensor]:
        """The report's files by name; no image where no run has both what it reached and a cost.

        Raises:
            ValueError: there are runs, and none has the key, or they were evaluated on different numbers of samples.
        """
        files = self._table(runs)
        variants = axis(runs, self.key)
        points = score_table(runs, [variants], self.reached).rename(columns={0: "variant"})
        panels = {}
        for cost, description in self.costs.items():
            points["cost"] = score_table(runs, [], cost)["score"]
            measured = points[points["cost"] > 0].dropna(subset=["score", "cost"])
            groups = {name: measured[measured["variant"] == name] for name in variants.names}
            panels[description] = {
                name: (own["cost"].tolist(), own["score"].tolist()) for name, own in groups.items() if len(own)
            }
        if any(panels.values()):
            files["report.png"] = draw_trade_offs(panels, self.reached.removeprefix("test/"), self.title)
            files["report.md"] = f"{files['report.md']}\n![{self.title}](report.png)\n"
        return files
