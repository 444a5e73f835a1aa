"""Means, spreads and differences over the seeds, as tables of pandas.

A table of scores has a row per run: its names on the axes in columns 0, 1, ..., then "seed", "pooled" (its values on
axes that give several values one name) and "score", nan where the run has none. Runs of one seed are not independent:
each seed's mean counts once.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from leyden.report.runs import Axis, Run, value_at


class Margin(NamedTuple):
    """How much better one group of runs is than another, seed by seed: what a seed does to both cancels out."""

    mean: float
    """Of the differences, positive where the first is better; nan without a common seed."""
    error: float
    """The mean's standard error; nan for fewer than two common seeds."""
    seeds: int
    """Common to both."""

    @property
    def clear(self) -> bool:
        """Whether the difference is larger than two standard errors."""
        return self.mean > 2 * self.error


def score_table(runs: Sequence[Run], axes: Sequence[Axis], metric: str) -> pd.DataFrame:
    """The table of scores of runs, in their order."""
    columns: dict[int | str, list] = {i: [axis.name_in(run) for run in runs] for i, axis in enumerate(axes)}
    pooled = [axis.key for axis in axes if axis.pools]
    columns["seed"] = [repr(run["config"].get("seed")) for run in runs]
    columns["pooled"] = [repr([value_at(run["config"], key) for key in pooled]) for run in runs]
    scores = (run["metrics"].get(metric, math.nan) for run in runs)
    columns["score"] = [score if math.isfinite(score) else math.nan for score in scores]
    return pd.DataFrame(columns).astype({"score": float})


def summarize(scores: pd.DataFrame, names: Sequence[Sequence[str]]) -> pd.DataFrame:
    """A row for every combination of names, in their order.

    Args:
        scores: a table of scores.
        names: of the columns 0, 1, ...

    Returns:
        "mean" and "sd" over the seeds (nan for none, and for fewer than two), "runs" with a score, "planned" runs,
        "seeds" with a score.
    """
    keys = list(range(len(names)))
    index = pd.MultiIndex.from_product(names, names=keys)
    if scores.empty:
        return pd.DataFrame({"mean": math.nan, "sd": math.nan, "runs": 0, "planned": 0, "seeds": 0}, index=index)
    by_seed = scores.dropna(subset="score").groupby([*keys, "seed"], sort=False)["score"].mean().groupby(level=keys)
    parts = [
        by_seed.agg(["mean", "std", "count"]).set_axis(["mean", "sd", "seeds"], axis=1),
        scores.groupby(keys)["score"].agg(["count", "size"]).set_axis(["runs", "planned"], axis=1),
    ]
    for part in parts:
        part.index = pd.MultiIndex.from_arrays([part.index.get_level_values(key) for key in keys], names=keys)
    found = pd.concat([part.reindex(index) for part in parts], axis=1)
    return found.fillna({"runs": 0, "planned": 0, "seeds": 0}).astype({"runs": int, "planned": int, "seeds": int})


def margin(first: pd.DataFrame, second: pd.DataFrame, mode: str) -> Margin:
    """How much better ``first`` is than ``second`` over their common seeds, both tables of scores.

    Runs are paired that have the same seed and the same pooled values.

    Args:
        first: one group of runs.
        second: the other.
        mode: "max" or "min" of the score is better.
    """
    pairs = first.merge(second, on=["seed", "pooled"], suffixes=("", "_second")).dropna(
        subset=["score", "score_second"]
    )
    difference = (pairs["score"] - pairs["score_second"]) * (1 if mode == "max" else -1)
    by_seed = difference.groupby(pairs["seed"]).mean()
    return Margin(float(by_seed.mean()), float(by_seed.sem()), len(by_seed))


def ranked(means: Mapping[str, float], mode: str) -> list[str]:
    """The names of those that have a mean, best first; better is the ``mode``, "max" or "min"."""
    return sorted((name for name in means if not math.isnan(means[name])), key=means.__getitem__, reverse=mode == "max")


def plus_minus(row: pd.Series, digits: int) -> str:
    """``0.801 ± 0.055``, one value as itself, with the number of runs where some are missing; a dash where all are."""
    if not row["runs"]:
        return "-"
    spread = "" if math.isnan(row["sd"]) else f" ± {row['sd']:.{digits}f}"
    rest = f" ({row['runs']:.0f} of {row['planned']:.0f})" if row["runs"] < row["planned"] else ""
    return f"{row['mean']:.{digits}f}{spread}{rest}"


def decimals(means: Iterable[float]) -> int:
    """Decimals with which the largest mean shows three digits; the same for all, so that they compare at a glance."""
    largest = max((abs(mean) for mean in means if not math.isnan(mean)), default=0.0)
    return max(0, 3 - math.ceil(math.log10(largest))) if largest else 3


def texts(summary: pd.DataFrame) -> pd.Series:
    """``plus_minus`` of every row, all with the same decimals."""
    digits = decimals(summary["mean"])
    return pd.Series([plus_minus(row, digits) for _, row in summary.iterrows()], index=summary.index, dtype=object)
