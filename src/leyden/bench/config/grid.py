"""The jobs of a grid: every combination of the values that overrides list, range over or match."""

import itertools
import re
from collections.abc import Iterable, Sequence

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override

from leyden.bench.config.compose import ConfigError
from leyden.bench.config.variants import quoted


def parse(overrides: Iterable[str], loader: ConfigLoader | None = None) -> list[Override]:
    """Hydra's reading of overrides; of several for one key the last.

    Args:
        overrides: such as ``seed=0,1`` and ``data/source=glob(*)``.
        loader: Hydra's, which knows what globs match.
    """
    parsed = OverridesParser.create(loader).parse_overrides(list(overrides))
    return list({override.get_key_element(): override for override in parsed}.values())


def grid(overrides: Sequence[str], loader: ConfigLoader | None = None) -> list[list[str]]:
    """The overrides of each job.

    Args:
        overrides: see ``parse``.
        loader: Hydra's.

    Raises:
        ConfigError: an interval, from which only a search can choose; or nothing that a glob matches.
    """
    parsed = parse(overrides, loader)
    _refuse_intervals(parsed)
    jobs = [list(job) for job in itertools.product(*map(_values, parsed))]
    if not jobs:
        raise ConfigError(["the sweep has no jobs: one of its values matches nothing"])
    return jobs


def _refuse_intervals(overrides: Iterable[Override]) -> None:
    """Raises ConfigError where an override gives an interval."""
    wrong = [o.input_line for o in overrides if o.is_sweep_override() and not o.is_discrete_sweep()]
    if wrong:
        raise ConfigError(f"{word}: a grid has no intervals; hydra/sweeper=optuna chooses from them" for word in wrong)


def _values(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [str(override.input_line)]
    values: Iterable[str] = override.sweep_string_iterator()
    if isinstance(override.value(), Glob):
        values = (value for value in values if not value.startswith("_"))  # what labs or models have in common
    return [f"{override.get_key_element()}={_readable(value)}" for value in values]


def _readable(value: str) -> str:
    """A value of Hydra's with quotes around what it escapes letter by letter."""
    escaped = "\\" in value and not value.startswith(("[", "{"))
    return quoted(re.sub(r"\\(.)", r"\1", value)) if escaped else value
