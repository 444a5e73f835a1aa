"""Every mistake in a config at once, before anything runs: targets, arguments, types."""

import typing
from collections.abc import Iterator, Sequence
from pkgutil import resolve_name
from typing import Any

import yaml

from leyden.bench.config.allow_list import targets
from leyden.bench.config.compose import Composed, ConfigError, compose
from leyden.bench.config.groups import file_of
from leyden.bench.config.overrides import wrong_overrides
from leyden.core.arguments import nearest, signature, type_problem, why_not_found
from leyden.report.labs.expectations import mistakes as mistakes_in_expect

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
    if mistakes := [*wrong.values(), *check(composed)]:
        raise ConfigError(mistakes)
    return composed


def check(composed: Composed) -> list[str]:
    """The mistakes in a config or a part of one, a line each: where it stands, the key, what is wrong or was meant."""
    expect = composed.config.get("lab", {}).get("expect")
    mistakes = [*_in_run(composed.config), *mistakes_in_expect(expect, composed.variants)]
    for key, node in targets(composed.config):
        given = _from_data(composed.config) if key == "model" else GIVEN_BY_THE_RUN.get(key.split(".")[0], set())
        mistakes += _in_node(key, node, given)
    wrong = {key for key, _ in mistakes}
    return [f"{_where(key, composed)}: {what}" for key, what in mistakes if composed.copies.get(key) not in wrong]


def _in_node(key: str, node: dict[str, Any], given: set[str]) -> Iterator[tuple[str, str]]:
    """Pairs of a dotted key and what is wrong with it; ``given`` are the arguments that do not come from the config."""
    try:
        target = resolve_name(node["_target_"])
    except Exception as error:  # whatever importing the target may raise is the mistake to report
        yield f"{key}._target_", why_not_found(node["_target_"], error)
        return
    taken = signature(target)
    for name, value in node.items():
        if name in ("_target_", "_partial_"):
            continue
        if name in given and name in taken.hints:
            yield f"{key}.{name}", "comes from the data or the run; leave it out"
        elif name not in taken.hints:
            if not taken.open_ended:
                yield f"{key}.{name}", f"unknown key{nearest(name, taken.hints.keys() - given)}"
        elif not any(targets(value)) and (problem := type_problem(value, taken.hints[name])):
            yield f"{key}.{name}", problem
    absent = [name for name in taken.required if name not in {*node, *given}]
    if absent and not node.get("_partial_"):
        yield key, f"{node['_target_']} needs {', '.join(absent)}, which neither config nor data gives"


def _in_run(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The same for what the run itself takes."""
    given = config | {f"checkpoint.{name}": value for name, value in config.get("checkpoint", {}).items()}
    for key, hint in OF_THE_RUN.items():
        if key in given and (problem := type_problem(given[key], hint)):
            yield key, problem
        elif key == "checkpoint.every_n_steps" and given.get(key) is not None and given[key] < 1:
            yield key, f"should be a number from 1 on, or null, is {given[key]}"


def _from_data(config: dict[str, Any]) -> set[str]:
    """The names of what the data will tell the model, read off the return annotation of the DataModule's ``spec``."""
    try:
        spec = resolve_name(config["data"]["_target_"]).spec
        return set(typing.get_type_hints(typing.get_type_hints(spec.fget)["return"]))
    except Exception:  # the data node's own mistakes are reported with it
        return set()


def _where(key: str, composed: Composed) -> str:
    """The key and where its value was written: the command line, or the file that is merged last."""
    if any(override.lstrip("+~").split("=")[0] == key for override in composed.overrides):
        return f"{key} (command line)"
    group = "data/source" if key.startswith("data.source") else key.split(".")[0]
    path = key.split(".")
    variant = ["lab", "variants", composed.config.get("lab", {}).get("variant"), key]
    places = [("debug", path), ("experiment", variant), ("experiment", path), (group, path[group.count("/") + 1 :])]
    for candidate, inner in places:
        if candidate in composed.choices:
            file = file_of(candidate, composed.choices[candidate])
            if file.is_file() and _stands_in(yaml.safe_load(file.read_text(encoding="utf-8-sig")), inner):
                return f"{key} ({file.parent.name}/{file.name})"
    return key


def _stands_in(node: Any, path: list[str]) -> bool:
    if not path:
        return True
    return isinstance(node, dict) and path[0] in node and _stands_in(node[path[0]], path[1:])
