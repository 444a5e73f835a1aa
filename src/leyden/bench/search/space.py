"""What Optuna may choose from: Hydra's sweep syntax as Optuna's distributions."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.distributions import check_distribution_compatibility as check_compatibility

from leyden.bench.config.compose import ConfigError
from leyden.bench.config.grid import parse

Distribution = CategoricalDistribution | FloatDistribution | IntDistribution
EXAMPLES = "model.lr='tag(log,interval(1e-4,1e-2))', 'int(interval(1,8))', 16,32,64 or 'range(0,10,2)'"
"""How a person writes what is searched."""


class Space(NamedTuple):
    """What a search may try."""

    fixed: list[str]
    """Overrides of every trial."""
    searched: dict[str, Distribution]
    """What the others are chosen from, by their keys."""
    overrides: list[str]
    """The overrides that say so."""

    def ends(self) -> list[list[str]]:
        """Overrides of a few trials in which every choice, and both ends of all that is ordered, occur."""
        values = {
            key: own.choices if isinstance(own, CategoricalDistribution) else (own.low, own.high)
            for key, own in self.searched.items()
        }
        trials = range(max(map(len, values.values())))
        return [[*self.fixed, *typed({key: own[min(n, len(own) - 1)] for key, own in values.items()})] for n in trials]

    def refuse_to_replace(self, before: Mapping[str, BaseDistribution]) -> None:
        """Raises ConfigError where Optuna cannot go on from what was searched before, as with other choices."""
        wrong = []
        for key in self.searched.keys() & before.keys():
            try:
                check_compatibility(before[key], self.searched[key])
            except ValueError:
                wrong.append(f"{key}: was {before[key]}, is {self.searched[key]}; choose another sweep.name")
        if wrong:
            raise ConfigError(wrong)


def space(overrides: Sequence[str], loader: ConfigLoader | None = None) -> Space:
    """Divides the overrides of a sweep into those of every trial and those to choose from.

    Args:
        overrides: such as ``seed=3`` or ``model.lr=interval(0.1,1)``; of two with the same key the last counts.
        loader: Hydra's, which knows what globs match.

    Raises:
        ConfigError: ends that are no interval, all of them; or nothing that is to be searched.
    """
    fixed, searched, swept, wrong = [], {}, [], []
    for override in parse(overrides, loader):
        key = override.get_key_element()
        if not override.is_sweep_override():
            fixed.append(str(override.input_line))
            continue
        try:
            searched[key] = distribution(override)
            swept.append(str(override.input_line))
        except ValueError as error:
            wrong.append(f"{override.input_line}: {error}")
    if wrong:
        raise ConfigError(wrong)
    if not searched:
        raise ConfigError([f"there is nothing to search: give a key several values, such as {EXAMPLES}"])
    return Space(fixed, searched, swept)


def distribution(override: Override) -> Distribution:
    """What an override that sweeps lets Optuna choose from.

    An interval is continuous, or whole numbers where it was cast (``int(interval(1,8))``: 8 is one of them), and even
    in the logarithm where it is tagged so; a range is ordered; anything else is a choice among texts.

    Raises:
        ValueError: nobody could choose from that.
    """
    value: Any = override.value()
    tags = value.tags if isinstance(value, ChoiceSweep | RangeSweep | IntervalSweep) else set()
    if tags and (tags != {"log"} or not isinstance(value, IntervalSweep)):
        raise ValueError(f"tag {', '.join(sorted(tags))}: there is one, log, and only intervals may have it")
    if isinstance(value, IntervalSweep):
        return _interval(value.start, value.end, log="log" in tags)
    if isinstance(value, RangeSweep):
        return _range(sorted(value.range()))
    choices = list(dict.fromkeys(override.sweep_string_iterator()))
    if not choices:
        raise ValueError("matches nothing")
    return CategoricalDistribution(choices)


def typed(values: Mapping[str, Any]) -> list[str]:
    """The overrides for a trial's values; floats with all their digits."""
    return [f"{key}={value}" for key, value in values.items()]


def _interval(low: Any, high: Any, log: bool) -> Distribution:
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("an interval needs two finite ends")
    if low > high:
        raise ValueError(f"an interval goes from the lesser end to the greater, not from {low} to {high}")
    if log and low <= 0:
        raise ValueError(f"a logarithm needs ends above 0, and one is {low}")
    kind = IntDistribution if isinstance(low, int) else FloatDistribution
    return kind(low, high, log=log)


def _range(numbers: list[Any]) -> Distribution:
    if not numbers:
        raise ValueError("matches nothing")
    kind = IntDistribution if isinstance(numbers[0], int) else FloatDistribution
    return kind(numbers[0], numbers[-1], step=numbers[1] - numbers[0] if len(numbers) > 1 else 1)
