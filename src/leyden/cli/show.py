"""``leyden show``: every key of a lab or of a part, with its composed value and its comment in the YAML files."""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

import hydra
import yaml
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError
from rich.console import Console

from leyden.bench.config.compose import ConfigError, finish, hydra_over_conf, without_cure
from leyden.bench.config.groups import CONF, groups, options
from leyden.bench.config.overrides import wrong_overrides
from leyden.bench.config.variants import with_variant
from leyden.cli.commented import flow, print_yaml
from leyden.cli.listing import sweep_jobs
from leyden.cli.searchpath import KEY, added_to, conf_folders
from leyden.core.start.nearest import nearest
from leyden.core.text.shell import command
from leyden.core.text.yaml_comments import comments, heading

FIRST = ("lab", "model", "data", "trainer", "callbacks", "logger")
"""The order of sections; the others follow."""
WHOLE = ("experiment", "debug", "sweep")
"""Groups that set keys of all sections."""
_COPY = re.compile(r"\$\{[\w.]+\}")
SHOWN = ("experiment", "model", "data", "data/source", "trainer", "callbacks", "logger", "debug", "sweep")
"""Groups whose options may be named without the group, as in ``leyden show gan_dcgan``."""


class Part(NamedTuple):
    """A YAML file that a config is composed of."""

    name: str
    """Group and option, such as ``model/gan/dcgan``."""
    package: str
    """The dotted key below which its keys come; empty for the top."""
    text: str


def show(words: Sequence[str] = ()) -> None:
    """Prints YAML with comments; from a pipe, it can be read as YAML again.

    Args:
        words: overrides; names of labs or parts; dotted keys, to which the output is narrowed. Where parts are named
            and no lab, only those are shown, with their own values.

    Raises:
        ConfigError: overrides that cannot be composed.
        ValueError: a word that is no name and no key.
    """
    overrides, keys = _sorted(words)
    named = [text.partition("=")[0].lstrip("+") for text in overrides if "=" in text]
    parts = [name.replace("/", ".") for name in named if name in (*groups(), "hydra/launcher", "hydra/sweeper")]
    if "experiment" not in named and "~experiment" not in overrides and not set(named) & {*WHOLE} and parts:
        overrides = ["~experiment", *overrides]
        keys = keys or [name for name in parts if not any(name.startswith(f"{other}.") for other in parts)]
    config, files = composed(overrides)
    shown = {key: _at(config, key) for key in keys or sorted((k for k in config if k != "hydra"), key=_rank)}
    notes = meanings(files, config, overrides)
    console = Console()
    for text in _headline(files, config) if not keys else ():
        console.print(f"# {text}", style="dim", highlight=False, markup=False, soft_wrap=True)
    for key, value in shown.items():
        about = next((" ".join(heading(f.text)) for f in files[::-1] if f.package == key and heading(f.text)), "")
        print_yaml(console, key, value, notes, about)


def _sorted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Overrides, and keys to which the output is narrowed."""
    places = conf_folders([word for word in words if word.startswith(KEY)])
    overrides, keys = [word for word in words if "=" in word or word.startswith("~")], []
    for word in words:
        if word in overrides:
            continue
        group = next((group for group in SHOWN if word in options(group, places)), None)
        if group is None or word in FIRST:
            keys.append(word)
        else:
            overrides.append(f"{group}={word}")
    return added_to(overrides), keys


def composed(overrides: Sequence[str]) -> tuple[dict[str, Any], list[Part]]:
    """The config, with Hydra's own part, and the files that it is composed of, in their order."""
    try:
        with hydra_over_conf() as loader:
            typed = with_variant(overrides)
            config = hydra.compose("config", typed, return_hydra_config=True)
            defaults = loader.compute_defaults_list("config", typed, RunMode.RUN).defaults
        plain = _resolved(config) if "~experiment" in overrides else finish(config.copy(), {}, typed, False).config
    except ConfigError:
        raise
    except Exception as error:  # whatever Hydra and its resolvers raise is the mistake to report
        raise ConfigError(wrong_overrides(overrides).values() or [without_cure(overrides, error)]) from error
    places = [CONF, *conf_folders([text for text in overrides if text.startswith(KEY)])]
    parts = []
    for entry in defaults:
        files = [place / f"{entry.config_path}.yaml" for place in places]
        if file := next((file for file in files if file.is_file()), None):
            parts.append(Part(str(entry.config_path), entry.package or "", file.read_text(encoding="utf-8")))
    own: Any = {name: OmegaConf.to_container(config.hydra[name], resolve=True) for name in ("launcher", "sweeper")}
    plain["lab"]["name"] = config.hydra.runtime.choices.get("experiment")
    return {**plain, "hydra": own}, parts


def _resolved(config: DictConfig) -> dict[str, Any]:
    """A config without a lab, in which what only a lab could resolve stays as it is written."""
    found: dict[str, Any] = {}
    for name in config:
        if name != "hydra":
            node = config[name]
            try:
                found[str(name)] = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
            except InterpolationKeyError:
                found[str(name)] = OmegaConf.to_container(node)
    return found


def meanings(files: Sequence[Part], config: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, str]:
    """The comment of each dotted key: what its part says of it, then what a lab that changes it says.

    What a lab says is left out where its value is not the one that was composed.
    """
    found: dict[str, str] = {}
    default: dict[str, Any] = {}
    of_labs: dict[str, tuple[str, Any, str]] = {}
    for part in files:
        head, said = f"{part.package}." if part.package else "", comments(part.text)
        values = dict(_leaves(OmegaConf.to_container(OmegaConf.create(part.text))))  # which reads 1e-3 as a number
        if part.name.partition("/")[0] in WHOLE:
            label = part.name.partition("/")[2]
            of_labs |= {key: (label, value, said.get(key, "")) for key, value in values.items()}
            of_labs |= {key: (label, None, text) for key, text in said.items() if key not in values}
        else:
            copies = {key: f"the same as {value[2:-1]}" for key, value in values.items() if _COPY.fullmatch(str(value))}
            found |= {head + key: text for key, text in {**copies, **said}.items()}
            default |= {head + key: value for key, value in values.items()}
    for key, (label, value, text) in of_labs.items():
        same = value is None or _at(config, key, absent=value) == value or str(value).startswith("${")
        if same and not key.startswith("hydra."):
            differs = key in default and default[key] != value and not key.startswith("lab.")
            changed = f"default {flow(default[key])}" if differs else ""
            note = "; ".join(filter(None, [changed, f"{label}: {text}" if text and key in found else text]))
            found[key] = f"{found[key]} ({note})" if key in found and note else found.get(key) or note
    return {key: text for key, text in found.items() if text}


def _headline(files: Sequence[Part], config: Mapping[str, Any]) -> Iterator[str]:
    """What the lab is, and what a sweep over it tries."""
    lab = next((part for part in files[::-1] if part.name.startswith("experiment/")), None)
    if lab is None:
        return
    name = lab.name.partition("/")[2]
    content = yaml.safe_load(lab.text)
    yield f"experiment={name}: {config['lab']['title']}"
    yield f"(default ...; {name}: ...) is what the lab changes, and why"
    if (params := config["hydra"]["sweeper"].get("params")) and sweep_jobs(content) > 1:
        tries = " ".join(f"{key}={value}" for key, value in params.items())
        yield f"{command('sweep', f'experiment={name}')} has {sweep_jobs(content)} jobs: {tries}"


def _rank(section: str) -> int:
    return FIRST.index(section) if section in FIRST else len(FIRST)


def _at(config: Mapping[str, Any], key: str, absent: Any = ...) -> Any:
    """The value of a dotted key; ``absent`` where there is none, or ValueError with the nearest one."""
    node: Any = config
    seen = ""
    for part in key.split("."):
        if not isinstance(node, dict) or part not in node:
            if absent is not ...:
                return absent
            inner = [f"{seen}.{name}".lstrip(".") for name in node] if isinstance(node, dict) else []
            inner += [] if seen else [option for group in SHOWN for option in options(group)]
            few = seen or get_close_matches(key, inner)
            cure = nearest(key, inner) if few else "; `leyden list` shows labs and parts"
            raise ValueError(f"{key}: no lab, no part and no key of this name{cure}")
        node, seen = node[part], f"{seen}.{part}".lstrip(".")
    return node


def _leaves(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        whole = f"{key}.{name}".lstrip(".")
        if isinstance(value, dict) and value:
            yield from _leaves(value, whole)
        elif whole != "defaults":
            yield whole, value
