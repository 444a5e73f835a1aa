"""The runs of a sweep, sorted into cells: those in one cell share what a report looks at and differ in the seed."""

import difflib
import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

SAMPLES = "test/samples"
"""On how many examples generated ones were judged; a Frechet distance falls as they grow."""
ABSENT = "(absent)"
"""The value of a key that a run's config does not have, such as a GAN's ``model.strategy``."""


class Run(TypedDict):
    """One job of a sweep, as its record holds it."""

    config: dict[str, Any]
    """Plain and resolved."""
    metrics: dict[str, float]
    """Flat; empty where the job did not end well, so that reports can say what is missing."""
    folder: Path


class Score(NamedTuple):
    """What one run reached."""

    seed: Any
    pooled: tuple[str, ...]
    """Its values on axes that give several values one name; what is compared must have the same."""
    value: float
    """Finite."""


@dataclass
class Cell:
    """The runs that share some config values."""

    planned: int = 0
    """Runs of the sweep, with or without a score."""
    scores: list[Score] = field(default_factory=list)
    """Of the runs that have one."""

    @property
    def by_seed(self) -> list[float]:
        """The mean score of each seed: runs of one seed are no independent witnesses."""
        seeds = dict.fromkeys(score.seed for score in self.scores)
        return [statistics.fmean(score.value for score in self.scores if score.seed == seed) for seed in seeds]

    @property
    def mean(self) -> float:
        """Over the seeds; nan where there is none."""
        return statistics.fmean(self.by_seed) if self.scores else math.nan

    @property
    def sd(self) -> float:
        """Standard deviation over the seeds, by n - 1; nan for fewer than two."""
        return statistics.stdev(self.by_seed) if len(self.by_seed) > 1 else math.nan


class Margin(NamedTuple):
    """How much better one cell is than another, seed by seed: what a seed does to both cancels out."""

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


class Axis:
    """A config key and the names of its values, in the order in which a report shows them.

    Args:
        key: dotted.
        named: each value with its name; values of one name share their cells.
    """

    def __init__(self, key: str, named: Sequence[tuple[Any, str]]) -> None:
        self.key = key
        self.values = [value for value, _ in named]
        self.names = list(dict.fromkeys(name for _, name in named))
        self._name = {repr(value): name for value, name in named}  # lists cannot be keys

    @property
    def pools(self) -> bool:
        """Whether a name stands for several values."""
        return len(self.names) < len(self.values)

    def name_of(self, value: Any) -> str:
        """The name of one of the values."""
        return self._name[repr(value)]

    def place(self, run: Run) -> str:
        """The name of the value that a run has."""
        return self.name_of(value_at(run["config"], self.key))


def axis(runs: Sequence[Run], key: str, order: Sequence[Any] | None = None) -> Axis:
    """The values that the runs have of a key: in the given order, or numbers upwards with None last, or as swept.

    Args:
        runs: of the sweep.
        key: dotted, such as ``model.strategy``.
        order: values or their names, first to last; values that it does not name come behind.

    Raises:
        ValueError: there are runs, and none has the key.
    """
    found = {repr(value): value for value in (value_at(run["config"], key) for run in runs)}
    values = list(found.values())
    if values == [ABSENT]:
        raise ValueError(_unknown(runs[0]["config"], key))
    if all_numbers(values):
        values.sort(key=lambda value: math.inf if value is None else value)
    named = list(zip(values, _names(key, values), strict=True))
    if order is not None:
        wanted = list(order)
        named.sort(key=lambda pair: next((i for i, w in enumerate(wanted) if means(pair, w)), len(wanted)))
    return Axis(key, named)


def means(pair: tuple[Any, str], wanted: Any) -> bool:
    """Whether a value with its name is the one that a report's argument means, by value or by name."""
    return pair[0] == wanted or pair[1] == wanted


def sort_into_cells(runs: Sequence[Run], axes: Sequence[Axis], metric: str) -> dict[tuple[str, ...], Cell]:
    """A cell for every combination of names on the axes, in their order; scores that are not finite are left out.

    Raises:
        ValueError: runs were judged on different numbers of samples, so that their scores do not compare.
    """
    judged = {run["metrics"][SAMPLES]: run["folder"].name for run in runs if SAMPLES in run["metrics"]}
    if len(judged) > 1:
        counts = ", ".join(f"{count:.0f} ({folder})" for count, folder in sorted(judged.items()))
        raise ValueError(
            f"runs judged on different numbers of samples do not compare: {counts}; "
            "run them again with one model.eval_samples, no larger than the smallest test split"
        )
    cells = {names: Cell() for names in itertools.product(*(axis.names for axis in axes))}
    for run in runs:
        cell = cells[tuple(axis.place(run) for axis in axes)]
        cell.planned += 1
        if math.isfinite(score := run["metrics"].get(metric, math.nan)):
            pooled = tuple(repr(value_at(run["config"], axis.key)) for axis in axes if axis.pools)
            cell.scores.append(Score(run["config"].get("seed"), pooled, score))
    return cells


def margin(first: Cell, second: Cell, mode: str) -> Margin:
    """How much better ``first`` is than ``second`` over their common seeds; better is the ``mode``, "max" or "min"."""
    sign = 1 if mode == "max" else -1
    theirs = {(score.seed, score.pooled): score.value for score in second.scores}
    pairs: dict[Any, list[float]] = {}
    for seed, pooled, value in first.scores:
        if (seed, pooled) in theirs:
            pairs.setdefault(seed, []).append(sign * (value - theirs[seed, pooled]))
    differences = [statistics.fmean(of_seed) for of_seed in pairs.values()]
    count = len(differences)
    error = statistics.stdev(differences) / math.sqrt(count) if count > 1 else math.nan
    return Margin(statistics.fmean(differences) if count else math.nan, error, count)


def best(cells: Mapping[str, Cell], mode: str) -> list[str]:
    """The names of the cells that have a score, best first."""
    scored = [name for name, cell in cells.items() if cell.scores]
    return sorted(scored, key=lambda name: cells[name].mean, reverse=mode == "max")


def value_at(config: Mapping[str, Any], key: str) -> Any:
    """The value of a dotted key, or ``ABSENT``."""
    node: Any = config
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return ABSENT
        node = node[part]
    return node


def all_numbers(values: Sequence[Any]) -> bool:
    """Whether there is nothing but numbers and None."""
    return all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values)


def _names(key: str, values: Sequence[Any]) -> list[str]:
    """Short where that tells them apart, such as the last part of a ``_target_``."""
    nothing = "all" if all_numbers(values) else "none"  # no limit among numbers, no choice among words

    def name(value: Any) -> str:
        if value is None:
            return nothing
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, float):
            return f"{value:g}"
        return str(value).rpartition(".")[2] if key.endswith("_target_") else str(value)

    short = [name(value) for value in values]
    return short if len(set(short)) == len(short) else [str(value) for value in values]


def _unknown(config: Mapping[str, Any], key: str) -> str:
    """Why no run has the key: what its deepest known part holds, and the nearest of that."""
    parts = key.split(".")
    depth = next(i for i in range(len(parts)) if value_at(config, ".".join(parts[: i + 1])) == ABSENT)
    node = value_at(config, ".".join(parts[:depth])) if depth else config
    known = sorted(map(str, node)) if isinstance(node, Mapping) else []
    close = difflib.get_close_matches(parts[depth], known, n=1)
    above = ".".join(parts[:depth]) or "the config"
    cure = (
        f"did you mean {'.'.join([*parts[:depth], close[0]])}?"
        if close
        else f"{above} has {', '.join(known) or 'no keys below it'}"
    )
    return f"no run has the key {key} that the report asks for; {cure}"
