"""From overrides on the command line to one plain, resolved config. Imports no torch."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import hydra
import yaml
from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from leyden.bench.config.groups import CONF, groups
from leyden.bench.config.variants import with_variant
from leyden.core.allow_list import targets
from leyden.core.start.run_settings import out_of_shape


class ConfigError(ValueError):
    """A config that cannot be composed or built; the message lists every mistake, a line each."""

    def __init__(self, mistakes: Iterable[str]) -> None:
        self.mistakes = list(mistakes)
        super().__init__("\n".join(self.mistakes))


@dataclass(frozen=True)
class Composed:
    """A config and where it came from."""

    config: dict[str, Any]
    """Plain and resolved: what a run is built from and what its record keeps."""
    choices: dict[str, str]
    """The option chosen in each group, also at a place that another file gave it: ``data/source@data.target``."""
    overrides: list[str]
    """Those of the command line."""
    copies: dict[str, str] = field(default_factory=dict)
    """The keys that were written as another key's value: ``data.seed`` as ``${seed}``."""
    variants: tuple[str, ...] = ()
    """The names of the lab's variants."""

    @property
    def allow(self) -> frozenset[str]:
        """The classes that the config names: it was composed here, so this process may build them."""
        return frozenset(str(node["_target_"]) for _, node in targets(self.config))


@contextmanager
def hydra_over_conf() -> Iterator[ConfigLoader]:
    """Hydra's compose API over our ``conf/``; yields its loader."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3", job_name="leyden"):
        yield GlobalHydra.instance().config_loader()


def compose(overrides: Sequence[str] = ()) -> Composed:
    """Composes the config that ``leyden run`` with these overrides would run.

    Raises:
        ConfigError: with all wrong overrides, each with the nearest right one.
    """
    try:
        return compose_unchecked(overrides)
    except ConfigError:
        raise
    except MissingMandatoryValue as error:
        raise ConfigError([f"{error.full_key}: has no default, add {error.full_key}=..."]) from error
    except Exception as error:  # whatever Hydra and its resolvers raise is the mistake to report
        from leyden.bench.config.overrides import wrong_overrides

        raise ConfigError(wrong_overrides(overrides).values() or [without_cure(overrides, error)]) from error


def without_cure(overrides: Sequence[str], error: Exception) -> str:
    """An error of Hydra or OmegaConf behind the overrides that cannot stay, as far as leaving one out tells."""

    def composes(others: list[str]) -> bool:
        try:
            compose_unchecked(others, whole=False)
        except Exception:  # the same error, or another one that the rest makes
            return False
        return True

    guilty = [text for text in overrides if composes([other for other in overrides if other != text])] or overrides
    key = f"{error.full_key}: " if isinstance(error, OmegaConfBaseException) and error.full_key else ""
    return f"{' '.join(guilty)}: {key}{first_line(error)}; leave it out, or give it another value"


def compose_unchecked(overrides: Sequence[str], whole: bool = True) -> Composed:
    """The same with the errors of Hydra and OmegaConf; ``whole``: a key that must be given, and is not, is one."""
    with hydra_over_conf():
        config = hydra.compose("config", with_variant(overrides), return_hydra_config=True)
    return finish(config, config.hydra.runtime.choices, overrides, whole)


def finish(config: DictConfig, choices: Mapping[str, str], overrides: Sequence[str], whole: bool = True) -> Composed:
    """A composed config as plain values, named after its experiment and without Hydra's own part.

    Args:
        config: as Hydra composed it.
        choices: the option chosen in each group.
        overrides: those of the command line.
        whole: whether a key that must be given, and is not, is an error.
    """
    OmegaConf.set_struct(config, False)
    config = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    plain: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=whole)
    raw = OmegaConf.to_container(config)
    own = yaml.safe_load((CONF / "config.yaml").read_text(encoding="utf-8"))
    if whole and (mistakes := [*out_of_shape(plain, str(raw), own, groups())]):
        raise ConfigError(mistakes)
    variants = tuple(map(str, plain["lab"].get("variants") or ()))
    if whole:
        del plain["lab"]["variants"]  # a run is one of them
    plain["lab"]["name"] = choices.get("experiment") or "no_experiment"
    known = {name: option for name, option in choices.items() if name.split("@")[0] in groups()}
    chosen = {name: option for name, option in known.items() if option is not None or not whole}  # else its place alone
    return Composed(plain, chosen, list(overrides), dict(_copies(raw)), variants)


def _copies(node: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _copies(value, f"{key}.{name}".lstrip("."))
    elif isinstance(node, str) and (whole := re.fullmatch(r"\$\{([\w.]+)\}", node)):
        yield key, whole[1]


def first_line(error: Exception) -> str:
    """The first line of an error's message."""
    return str(error).strip().splitlines()[0]
