"""From words on the command line to one plain, resolved config. Imports no torch."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hydra
from hydra import initialize_config_dir
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from leyden.bench.config import allow_list as trust

_PACKAGE = Path(__file__).parents[2]


def _folder(name: str) -> Path:
    """``conf`` or ``experiments``: inside the package where it was installed, else at the repository's top level."""
    packed = _PACKAGE / f"_{name}"
    return packed if packed.is_dir() else _PACKAGE.parents[1] / name


CONF = _folder("conf")
EXPERIMENTS = _folder("experiments")
GROUPS = (
    "experiment",
    "variant",
    "model",
    "data",
    "data/source",
    "trainer",
    "callbacks",
    "logger",
    "debug",
    "sweep",
    "paths",
    "hydra",
)


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
    """The option chosen in each group."""
    overrides: list[str]
    """The words that were typed."""
    copies: dict[str, str] = field(default_factory=dict)
    """The keys that were written as another key's value: ``data.seed`` as ``${seed}``."""


class _ExperimentsSource(FileConfigSource):
    """The folder ``experiments/`` as the config group ``experiment``, though it has no inner folder of that name."""

    @staticmethod
    def scheme() -> str:
        return "experiments"

    def load_config(self, config_path: str) -> Any:
        return super().load_config(config_path.removeprefix("experiment/"))

    def is_group(self, config_path: str) -> bool:
        return config_path in ("", "experiment")

    def is_config(self, config_path: str) -> bool:
        return config_path.startswith("experiment/") and super().is_config(config_path.removeprefix("experiment/"))

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        if config_path == "experiment":
            return [] if results_filter == ObjectType.GROUP else options("experiment")
        return ["experiment"] if config_path == "" and results_filter != ObjectType.CONFIG else []


class _ExperimentsPath(SearchPathPlugin):
    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        search_path.append("leyden", f"experiments://{EXPERIMENTS}")


def register() -> None:
    """Makes ``experiment`` a group of every Hydra composition in this process; calling it again changes nothing."""
    Plugins.instance()
    SourcesRegistry.instance().register(_ExperimentsSource)
    Plugins.instance().register(_ExperimentsPath)


def options(group: str) -> list[str]:
    """The names to choose from in a group, such as ``gan/dcgan`` in ``model``."""
    if group == "experiment":
        return sorted(file.stem for file in EXPERIMENTS.glob("*.yaml"))
    files = sorted((CONF / group).rglob("*.yaml"))
    inner = tuple(f"{other.removeprefix(f'{group}/')}/" for other in GROUPS if other.startswith(f"{group}/"))
    files = [file for file in files if not file.name.startswith("_")]  # included by others, no option by itself
    names = [file.relative_to(CONF / group).with_suffix("").as_posix() for file in files]
    return [name for name in names if not name.startswith(inner or ("\0",))]


def file_of(group: str, option: str) -> Path:
    """The YAML file behind an option."""
    return EXPERIMENTS / f"{option}.yaml" if group == "experiment" else CONF / group / f"{option}.yaml"


def compose(overrides: Sequence[str] = ()) -> Composed:
    """Composes the config that ``leyden run`` with these words would run.

    Raises:
        ConfigError: with all wrong words, each with the nearest right one.
    """
    try:
        return _compose(overrides)
    except MissingMandatoryValue as error:
        raise ConfigError([f"{error.full_key}: has no default, add {error.full_key}=..."]) from error
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(wrong_words(overrides).values() or [_first_line(error)]) from error


def _compose(overrides: Sequence[str], whole: bool = True) -> Composed:
    register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3", job_name="leyden"):
        config = hydra.compose("config", list(overrides), return_hydra_config=True)
    return finish(config, config.hydra.runtime.choices, overrides, whole)


def finish(config: DictConfig, choices: Mapping[str, str], overrides: Sequence[str], whole: bool = True) -> Composed:
    """A composed config as plain values, named after its experiment and without Hydra's own part.

    Args:
        config: as Hydra composed it.
        choices: the option chosen in each group.
        overrides: the words that were typed.
        whole: whether a key that must be given, and is not, is an error.
    """
    OmegaConf.set_struct(config, False)
    config = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    plain: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=whole)
    plain["lab"]["name"] = choices.get("experiment") or "no_experiment"
    trust.own(plain)
    chosen = {group: option for group, option in choices.items() if group in GROUPS and option is not None}
    return Composed(plain, chosen, list(overrides), dict(_copies(OmegaConf.to_container(config))))


def _copies(node: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _copies(value, f"{key}.{name}".lstrip("."))
    elif isinstance(node, str) and (whole := re.fullmatch(r"\$\{([\w.]+)\}", node)):
        yield key, whole[1]


def wrong_words(overrides: Sequence[str]) -> dict[str, str]:
    """Every override that cannot be applied, with the reason and the nearest right name."""
    register()
    wrong: dict[str, str] = {}
    values: dict[str, Override] = {}
    right = [word for word in overrides if word.startswith("hydra.searchpath")]
    elsewhere = right[:]
    for word in overrides:
        try:
            [override] = OverridesParser.create().parse_overrides([word])
        except HydraException as error:
            wrong[word] = f"{word}: {_first_line(error)}"
            continue
        if override.key_or_group not in GROUPS:
            values[word] = override
        elif override.is_delete():
            right.append(word)
        elif mistake := _wrong_option(override, elsewhere):
            wrong[word] = mistake
        else:
            right.append(f"{override.key_or_group}={_options_of(override)[0]}")
    try:
        base = _compose(right, whole=False).config
    except (HydraException, OmegaConfBaseException) as error:
        return wrong or {" ".join(right): _first_line(error)}
    for word, override in values.items():
        free = override.is_add() or override.key_or_group.startswith("hydra")
        if not free and (mistake := _unknown_key(override.key_or_group, base)):
            wrong[word] = mistake
    return wrong


def _wrong_option(override: Override, searchpath: list[str]) -> str | None:
    group, known = override.key_or_group, options(override.key_or_group)
    chosen = _options_of(override)
    unknown = [o for o in chosen if o not in known and not _lies_on(searchpath, group, o)]
    if unknown:
        return f"{group}={unknown[0]}: no such option{nearest(unknown[0], known)}"
    return None if chosen else f"{override.input_line}: matches nothing{nearest('', known)}"


def _lies_on(searchpath: list[str], group: str, option: str) -> bool:
    """Whether a folder of the user's own, named by ``hydra.searchpath=[...]``, has the option."""
    if not searchpath:
        return False
    folder, _, name = f"{group}/{option}".rpartition("/")
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3", job_name="leyden"):
        loader = GlobalHydra.instance().config_loader()
        return name in loader.get_group_options(folder, ObjectType.CONFIG, config_name="config", overrides=searchpath)


def _options_of(override: Override) -> list[str]:
    """What a group override chooses; several where it sweeps, none where a glob matches nothing."""
    value = override.value()
    if isinstance(value, Glob):
        return value.filter(options(override.key_or_group))
    if override.is_sweep_override():
        return [str(option).strip("'\"") for option in override.sweep_string_iterator()]
    return [str(value)]


def _unknown_key(key: str, config: Any) -> str | None:
    node, seen = config, ""
    for part in key.split("."):
        if not isinstance(node, dict):
            return f"{key}: {seen} has no keys below it"
        path = f"{seen}.{part}".lstrip(".")
        if part not in node:
            known = [f"{seen}.{name}".lstrip(".") for name in node] + ([] if seen else list(GROUPS))
            return f"{key}: unknown key{nearest(path, known)}"
        node, seen = node[part], path
    return None


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error message: which known name was meant, or what there is."""
    names = sorted(set(map(str, known)))
    longer = [known for known in names if name and known.startswith(name)]
    close = longer or difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"; did you mean {' or '.join(close)}?" if close else f"; there are: {', '.join(names)}"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
