"""Every mistake in a config at once, before anything runs: targets, arguments, types."""

import importlib
import inspect
import typing
from collections.abc import Iterator, Sequence
from pkgutil import iter_modules, resolve_name
from typing import Any

import yaml
from typeguard import CollectionCheckStrategy, TypeCheckError, check_type

from leyden.bench.config.allow_list import targets
from leyden.bench.config.compose import Composed, ConfigError, compose
from leyden.bench.config.groups import file_of
from leyden.bench.config.overrides import nearest, wrong_overrides

GIVEN_BY_THE_RUN = {"logger": {"save_dir"}}
"""Arguments that the run itself passes to the members of a group."""

OF_THE_RUN = {"seed": int, "scale_lr": bool, "checkpoint.every_n_steps": int | None}
"""Keys that no target takes, and what they hold."""


def compose_and_check(overrides: Sequence[str]) -> Composed:
    """Composes overrides of the command line and checks the config.

    Raises:
        ConfigError: with all mistakes together: wrong overrides, and what is wrong with the rest.
    """
    wrong = wrong_overrides(overrides)
    composed = compose([override for override in overrides if override not in wrong])
    mistakes = [*wrong.values(), *check(composed)]
    if mistakes:
        raise ConfigError(mistakes)
    return composed


def check(composed: Composed) -> list[str]:
    """The mistakes in a composed config, a line each: where it stands, the key, what is wrong, what was meant."""
    mistakes: list[tuple[str, str]] = []
    spec = _spec_of(composed.config)
    for key, node in targets(composed.config):
        given = spec if key == "model" else GIVEN_BY_THE_RUN.get(key.split(".")[0], set())
        mistakes += _check_node(key, node, given)
    mistakes += _check_run(composed.config)
    wrong = {key for key, _ in mistakes}
    return [f"{_where(key, composed)}: {what}" for key, what in mistakes if composed.copies.get(key) not in wrong]


def _check_node(key: str, node: dict[str, Any], given: set[str]) -> list[tuple[str, str]]:
    """Pairs of a dotted key and what is wrong with it."""
    try:
        target = resolve_name(node["_target_"])
    except Exception as error:  # whatever importing the target may raise is the mistake to report
        return [(f"{key}._target_", _why_not_found(node["_target_"], error))]
    # Trainer hides its signature behind a decorator that fills in defaults.
    parameters = dict(inspect.signature(target.__init__ if key == "trainer" else target).parameters)
    hints = typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    parameters, hints = _with_named_options(target, parameters, hints)
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    mistakes = []
    for name, value in node.items():
        if name in ("_target_", "_partial_"):
            continue
        if name not in parameters:
            if not open_ended:
                known = [p for p in parameters if p not in ("self", *given)]
                mistakes.append((f"{key}.{name}", f"unknown key{nearest(name, known)}"))
        elif name in given:
            mistakes.append((f"{key}.{name}", "comes from the data or the run; leave it out"))
        elif not _holds_target(value) and (problem := _type_problem(value, hints.get(name, Any))):
            mistakes.append((f"{key}.{name}", problem))
    absent = [
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        and name not in {"self", *node, *given}
    ]
    if absent and not node.get("_partial_"):
        mistakes.append((key, f"{node['_target_']} needs {', '.join(absent)}, which neither config nor data gives"))
    return mistakes


def _check_run(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The same for what the run itself takes."""
    given = config | {f"checkpoint.{name}": value for name, value in config.get("checkpoint", {}).items()}
    for key, hint in OF_THE_RUN.items():
        if key not in given:
            continue
        if problem := _type_problem(given[key], hint):
            yield key, problem
        elif key == "checkpoint.every_n_steps" and given[key] is not None and given[key] < 1:
            yield key, f"should be a number from 1 on, or null, is {given[key]}"


def _with_named_options(
    target: Any, parameters: dict[str, inspect.Parameter], hints: dict[str, Any]
) -> tuple[dict[str, inspect.Parameter], dict[str, Any]]:
    """A signature in which ``**options`` has become the options that it stands for.

    They are the entries of the TypedDict or the fields of the dataclass in ``**options: Unpack[...]``, or else the
    fields of the dataclass that the class names as ``options_type``.
    """
    for rest in parameters.values():
        if rest.kind is not rest.VAR_KEYWORD:
            continue
        hint = hints.get(rest.name)
        unpacked = typing.get_origin(hint) is typing.Unpack
        source = typing.get_args(hint)[0] if unpacked else getattr(target, "options_type", None)
        if source is not None:
            options = typing.get_type_hints(source)
            named = {name: inspect.Parameter(name, rest.KEYWORD_ONLY, default=None) for name in options}
            kept = {name: parameter for name, parameter in parameters.items() if name != rest.name}
            return kept | named, hints | options
    return parameters, hints


def _spec_of(config: dict[str, Any]) -> set[str]:
    """The names of what the data will tell the model, read off the return annotation of the DataModule's ``spec``."""
    try:
        spec = resolve_name(config["data"]["_target_"]).spec
        return set(typing.get_type_hints(typing.get_type_hints(spec.fget)["return"]))
    except Exception:  # the data node's own mistakes are reported with it
        return set()


def _holds_target(value: Any) -> bool:
    return next(targets(value), None) is not None


def _type_problem(value: Any, hint: Any) -> str | None:
    if (hint is float and isinstance(value, bool)) or (hint is int and isinstance(value, bool)):
        return f"should be {_name(hint)}, is {value!r}"
    try:
        check_type(value, hint, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)
    except TypeCheckError:
        return f"should be {_name(hint)}, is {value!r}"
    return None


def _name(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return f"one of {', '.join(map(str, typing.get_args(hint)))}"
    return hint.__name__ if inspect.isclass(hint) else str(hint).replace("typing.", "")


def _why_not_found(path: str, error: Exception) -> str:
    """The root cause, or the nearest name in the deepest module that can be imported."""
    parts = path.split(".")
    for depth in range(len(parts) - 1, 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:depth]))
        except ModuleNotFoundError as missing:
            if not f"{path}.".startswith(f"{missing.name}."):  # the module is there; what it imports is not
                return f"importing {'.'.join(parts[:depth])} fails: {missing}"
            continue
        except Exception as cause:  # the module exists and is broken: that is the news
            return f"importing {'.'.join(parts[:depth])} fails: {type(cause).__name__}: {cause}"
        return f"{module.__name__} has no {parts[depth]!r}{nearest(parts[depth], _public(module))}"
    return f"no package {parts[0]!r} ({str(error).splitlines()[0]})"


def _public(module: Any) -> list[str]:
    inner = [info.name for info in iter_modules(getattr(module, "__path__", []))]
    return inner + [name for name in vars(module) if not name.startswith("_")]


def _where(key: str, composed: Composed) -> str:
    """The key and where its value was written: the command line, or the file that is merged last."""
    if any(override.lstrip("+~").split("=")[0] == key for override in composed.overrides):
        return f"{key} (command line)"
    choices = composed.choices
    top = key.split(".")[0]
    group = "data/source" if key.startswith("data.source") else top
    variant = ["lab", "variants", composed.config.get("lab", {}).get("variant"), key]
    inner = key.removeprefix(group.replace("/", ".")).strip(".").split(".")
    files = [("debug", key.split(".")), ("experiment", variant), ("experiment", key.split(".")), (group, inner)]
    for candidate, path in files:
        if candidate in choices:
            file = file_of(candidate, choices[candidate])
            if file.is_file() and _stands_in(yaml.safe_load(file.read_text()), path):
                return f"{key} ({file.parent.name}/{file.name})"
    return key


def _stands_in(node: Any, path: list[str]) -> bool:
    for part in path:
        if not isinstance(node, dict) or part not in node:
            return False
        node = node[part]
    return True
