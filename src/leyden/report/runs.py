"""The runs that a report is made from, and the config keys by which it sorts them."""

import difflib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

ABSENT = "(absent)"
"""The value of a key that a run's config does not have, such as a GAN's ``model.strategy``."""
SAMPLES = "test/samples"
"""Number of examples by which generated ones were evaluated; a Frechet distance falls as it grows."""


class Run(TypedDict):
    """One job of a sweep, as its record holds it."""

    config: dict[str, Any]
    """Plain and resolved."""
    metrics: dict[str, float]
    """Flat; empty where the job did not end well, so that reports can name what is missing."""
    folder: Path


class Axis:
    """A config key and the names of its values, in the order in which a report shows them.

    Args:
        key: dotted.
        named: each value with its name; values of one name are pooled.
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

    def name_in(self, run: Run) -> str:
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
        named.sort(key=lambda pair: next((i for i, w in enumerate(wanted) if matches(pair, w)), len(wanted)))
    return Axis(key, named)


def matches(pair: tuple[Any, str], wanted: Any) -> bool:
    """Whether a value with its name is the one that a report's argument names, by value or by name."""
    return pair[0] == wanted or pair[1] == wanted


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


def check_samples(runs: Sequence[Run]) -> None:
    """Refuses runs whose scores do not compare.

    Raises:
        ValueError: runs were evaluated on different numbers of samples.
    """
    counts = {run["metrics"][SAMPLES]: run["folder"].name for run in runs if SAMPLES in run["metrics"]}
    if len(counts) > 1:
        found = ", ".join(f"{count:.0f} ({folder})" for count, folder in sorted(counts.items()))
        raise ValueError(
            f"runs evaluated on different numbers of samples do not compare: {found}; "
            "run them again with one model.eval_samples, no larger than the smallest test split"
        )


def _names(key: str, values: Sequence[Any]) -> list[str]:
    """Short where that tells them apart, such as the last part of a ``_target_``."""
    nothing = "all" if all_numbers(values) else "none"  # no limit among numbers, no choice among names

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
