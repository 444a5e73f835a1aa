"""What would have been chosen without target labels: each criterion's choice among settings, beside the oracle's."""

import math
from collections.abc import Sequence
from statistics import mean
from typing import Literal, NamedTuple

from torch import Tensor

from leyden.report.runs import Axis, Run, axis
from leyden.report.statistics import score_table, summarize
from leyden.report.text import csv_table, footnotes, heading, markdown_table, short
from leyden.transfer.domain.deep.selection import MONITORS
from leyden.visualization.charts import draw_bars

Mode = Literal["max", "min"]
ORACLE = "oracle"
ANY = "a setting drawn by chance"


class Choices(NamedTuple):
    """What one criterion chooses."""

    word: str
    metric: str
    mode: Mode
    runs: dict[str, Run | None]
    """By seed."""


class SelectionTable:
    """``report.md`` and ``report.csv``: a row per criterion, a column per seed with the setting that it chooses.

    A criterion (``leyden.transfer.domain.deep.selection``) chooses among the runs of one seed by its own metric. What
    the choice reaches on the target is read behind it. The oracle chooses by that very figure, which needs the labels
    of the target: it is no criterion, but what the others are measured by.

    Args:
        key: dotted config key that tells the settings apart, such as ``lab.variant``.
        metric: what is reached, higher is better.
    """

    def __init__(self, key: str, metric: str = "test/accuracy") -> None:
        self.key, self.metric = key, metric

    def __call__(self, runs: list[Run]) -> dict[str, str | Tensor]:
        """The report's files by name; the image is left out where no criterion could choose for any seed.

        Raises:
            ValueError: there are runs, and none has the key.
        """
        settings = axis(runs, self.key)
        seeds: dict[str, list[Run]] = {}
        for run in runs:
            if self.metric in run["metrics"]:
                seeds.setdefault(str(run["config"].get("seed")), []).append(run)
        criteria: list[tuple[str, str, Mode]] = [(word, metric, mode) for word, (metric, mode) in MONITORS.items()]
        rows = [
            Choices(word, metric, mode, {seed: choice(own, metric, mode) for seed, own in seeds.items()})
            for word, metric, mode in [*criteria, (ORACLE, self.metric, "max")]
        ]
        reached = {
            word: [run["metrics"][self.metric] for run in chosen.values() if run is not None]
            for word, _, _, chosen in rows
        }
        chance = [mean(run["metrics"][self.metric] for run in own) for own in seeds.values()]
        scores = summarize(score_table(runs, [settings], self.metric), [settings.names])
        parts = [
            heading(runs),
            self._table(rows, settings, reached, chance),
            f"{ORACLE}: chosen by {self.metric} itself, with the labels of the target; the others see none of them.",
            footnotes(runs, [settings], scores, self.metric),
        ]
        header = ["criterion", "metric", "seed", self.key, self.metric]
        lines = [
            [word, metric, seed, settings.name_in(run), run["metrics"][self.metric]]
            for word, metric, _, chosen in rows
            for seed, run in chosen.items()
            if run is not None
        ]
        files: dict[str, str | Tensor] = {"report.csv": csv_table(header, lines)}
        if means := {word: mean(values) for word, values in reached.items() if values}:
            parts.append("![what each criterion reaches](report.png)")
            named = {**means, ANY: mean(chance)}
            files["report.png"] = draw_bars(named, self.metric, "Reached by the setting that each criterion chooses")
        return {"report.md": "\n\n".join(part for part in parts if part) + "\n", **files}

    def _table(
        self, rows: Sequence[Choices], settings: Axis, reached: dict[str, list[float]], chance: list[float]
    ) -> str:
        lines = []
        for word, metric, mode, chosen in rows:
            cells = [
                "-" if run is None else f"{settings.name_in(run)} ({run['metrics'][self.metric]:.3f})"
                for run in chosen.values()
            ]
            values = reached[word]
            best = "highest" if mode == "max" else "lowest"
            lines.append([word, f"{best} {metric}", *cells, f"{mean(values):.3f}" if values else "-"])
        if chance:
            lines.append([ANY, "", *(f"{value:.3f}" for value in chance), f"{mean(chance):.3f}"])
        seeds = [f"seed {seed}: {short(self.key)}" for seed in rows[0].runs]
        return markdown_table(["criterion", "chooses by", *seeds, "mean"], lines)


def choice(runs: Sequence[Run], metric: str, mode: Mode) -> Run | None:
    """The run with the best value of a metric, the first of equal ones; None where no run has it."""
    found = [run for run in runs if math.isfinite(run["metrics"].get(metric, math.nan))]
    if not found:
        return None
    return (max if mode == "max" else min)(found, key=lambda run: run["metrics"][metric])
