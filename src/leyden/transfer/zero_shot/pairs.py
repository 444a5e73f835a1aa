"""Zero-shot learning on each pair of classes in turn: which two can be told apart by their attributes alone."""

import math

import torch
from torch import Tensor

from leyden.report.runs import Run, value_at
from leyden.report.text import csv_table, heading, markdown_table
from leyden.transfer.zero_shot.heatmap import draw_heat

CHANCE = 0.5


class PairMatrix:
    """``report.md``, ``report.csv`` and ``report.png``: a metric for each pair of unseen classes, and its mean.

    Args:
        key: dotted config key that holds the two unseen classes.
        metric: of a run, in 0..1.
    """

    def __init__(self, key: str, metric: str) -> None:
        self.key, self.metric = key, metric

    def __call__(self, runs: list[Run]) -> dict[str, str | Tensor]:
        """The report's files by name; no image where no run ended well. Several runs of a pair are averaged."""
        found: dict[tuple[str, str], list[float]] = {}
        for run in runs:
            pair = value_at(run["config"], self.key)
            if isinstance(pair, list) and len(pair) == 2:
                first, second = sorted(map(str, pair))
                found.setdefault((first, second), [])
                if self.metric in run["metrics"]:
                    found[first, second].append(run["metrics"][self.metric])
        values = {pair: sum(own) / len(own) if own else math.nan for pair, own in found.items()}
        known = {pair: value for pair, value in values.items() if value == value}
        lines = [(*pair, value) for pair, value in values.items()]
        files: dict[str, str | Tensor] = {"report.csv": csv_table(["first", "second", self.metric], lines)}
        parts = [heading(runs), f"{len(known)} of {len(values)} pairs have {self.metric}."]
        if known:
            ranked = sorted(known, key=lambda pair: known[pair])
            below = sum(value < CHANCE for value in known.values())
            mean = sum(known.values()) / len(known)
            parts.append(f"Mean {mean:.3f}, chance {CHANCE}; {below} pairs are below chance.")
            named = [("worst", ranked[:5]), ("best", ranked[:-6:-1])]
            rows = [[word, ", ".join(f"{a} and {b} {known[a, b]:.2f}" for a, b in own)] for word, own in named]
            parts += [markdown_table(["", "pairs"], rows), "![pairs](report.png)"]
            files["report.png"] = self._drawn(known, mean)
        return {"report.md": "\n\n".join(parts) + "\n", **files}

    def _drawn(self, values: dict[tuple[str, str], float], mean: float) -> Tensor:
        names = sorted({name for pair in values for name in pair})
        matrix = torch.full((len(names), len(names)), torch.nan)
        for (first, second), value in values.items():
            i, j = names.index(first), names.index(second)
            matrix[i, j] = matrix[j, i] = value
        title = f"{self.metric} where two classes are unseen: mean {mean:.3f}, chance {CHANCE}"
        return draw_heat({"": matrix}, names, names, title)
