"""All jobs of a sweep, composed and checked before the first one starts."""

import copy
from collections.abc import Sequence
from pathlib import Path

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from leyden.bench.config.compose import Composed, ConfigError, finish
from leyden.bench.config.validate import check


class Job:
    """One job's config, and where Hydra wants its folder.

    Args:
        config: as Hydra composed it.
        words: of this job alone, without sweeps.
    """

    def __init__(self, config: DictConfig, words: Sequence[str]) -> None:
        self._config = config
        task = list(config.hydra.overrides.task)
        _show_to_resolvers(config)
        self.words = list(words)
        self.composed: Composed = finish(copy.copy(config), config.hydra.runtime.choices, task)

    def folder(self, number: int) -> Path:
        """Where the job lies if it is the sweep's job of that number."""
        with open_dict(self._config):
            self._config.hydra.job.num = self._config.hydra.job.id = number
        _show_to_resolvers(self._config)
        sweep = OmegaConf.select(self._config, "hydra.sweep")
        return Path(sweep.dir) / str(sweep.subdir)


class Composer:
    """Composes jobs as Hydra does, but each choice of groups only once: of most sweeps only values differ.

    Hydra takes a tenth of a second for each, in which it reads the same two dozen files again.

    Args:
        loader: Hydra's.
        master: the config of the sweep itself.
    """

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        self._loader, self._master = loader, master
        self._bases: dict[tuple[str, ...], DictConfig] = {}

    def compose(self, words: Sequence[str]) -> DictConfig:
        """The config of the job with these words."""
        overrides = OverridesParser.create().parse_overrides(list(words))
        values = [override for override in overrides if _is_value(override)]
        choices = tuple(str(override.input_line) for override in overrides if override not in values)
        if choices not in self._bases:
            self._bases[choices] = self._loader.load_sweep_config(self._master, list(choices))
        config = copy.deepcopy(self._bases[choices])
        OmegaConf.copy_cache(self._master, config)  # the sweep's time is every job's
        ConfigLoaderImpl._apply_overrides_to_config(values, config)
        task = [override for override in overrides if not override.is_hydra_override()]
        config.hydra.overrides.task = [override.input_line for override in task]
        naming = config.hydra.job.config.override_dirname
        config.hydra.job.override_dirname = get_overrides_dirname(
            overrides=task, kv_sep=naming.kv_sep, item_sep=naming.item_sep, exclude_keys=naming.exclude_keys
        )
        return config


class Plan:
    """The jobs of a sweep: composed at once, checked when it is asked for, because that imports what they are made of.

    Args:
        loader: Hydra's.
        master: the config of the sweep itself.
        words: of each job.

    Raises:
        ConfigError: there is no job.
    """

    def __init__(self, loader: ConfigLoader, master: DictConfig, words: Sequence[Sequence[str]]) -> None:
        if not words:
            raise ConfigError(["the sweep has no jobs: one of its values matches nothing"])
        self.jobs: list[Job] = []
        self._words = words
        self._mistakes: dict[str, list[Sequence[str]]] = {}
        composer = Composer(loader, master)
        for own in words:
            try:
                self.jobs.append(Job(composer.compose(own), own))
            except MissingMandatoryValue as error:
                self._note(f"{error.full_key}: has no default, add {error.full_key}=...", own)
            except (HydraException, OmegaConfBaseException) as error:
                self._note(_first_line(error), own)

    def check(self) -> None:
        """Raises ConfigError with the mistakes of all jobs, each once, with the job that makes it."""
        for job in self.jobs:
            for mistake in check(job.composed):
                self._note(mistake, job.words)
        if self._mistakes:
            raise ConfigError(map(self._with_jobs, self._mistakes))

    def _note(self, mistake: str, words: Sequence[str]) -> None:
        self._mistakes.setdefault(mistake, []).append(words)

    def _with_jobs(self, mistake: str) -> str:
        first, *others = self._mistakes[mistake]
        if len(others) + 1 == len(self._words):
            return mistake
        common = set.intersection(*map(set, self._words))
        own = " ".join(word for word in first if word not in common)
        return f"{mistake}  [{own}{f' and {len(others)} more' if others else ''}]"


def _show_to_resolvers(config: DictConfig) -> None:
    """Makes ``${hydra:...}`` read this job's values; ``set_config`` would copy them first."""
    HydraConfig.instance().cfg = config  # type: ignore[assignment]  # as Hydra's own ``run_job`` does


def _is_value(override: Override) -> bool:
    """Whether a word sets a value for sure, so that Hydra would apply it to the composed config."""
    key = override.key_or_group
    inner = "." in key or key == "seed"
    return inner and "/" not in key and override.package is None and not override.is_hydra_override()


def _first_line(error: BaseException) -> str:
    """What Hydra says, and what OmegaConf said to Hydra."""
    said = [str(e).strip().splitlines()[0] for e in (error, error.__cause__) if e is not None and str(e).strip()]
    return ": ".join(said) or type(error).__name__
