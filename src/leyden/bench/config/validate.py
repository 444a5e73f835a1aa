"""Every mistake in a config at once, before anything runs: targets, arguments, types."""

import inspect
import math
from collections.abc import Iterator, Sequence
from pkgutil import resolve_name
from typing import Any, Literal, get_type_hints

import yaml

from leyden.bench.config.compose import Composed, ConfigError, compose
from leyden.bench.config.groups import file_of
from leyden.bench.config.overrides import in_quotes, several_values, wrong_overrides
from leyden.bench.config.selection import mistakes_in_choice
from leyden.core.allow_list import targets
from leyden.core.arguments import argument_mistakes, signature, type_problem, why_not_found
from leyden.report.labs.expectations import mistakes as mistakes_in_expect

GIVEN_BY_THE_RUN = {"logger": {"save_dir"}, "trainer": {"logger", "callbacks", "plugins", "default_root_dir"}}
"""Arguments that the run itself passes to the members of a group."""
OF_THE_RUN: dict[str, Any] = {
    "seed": int,
    "scale_lr": bool,
    "report": dict | None,
    "checkpoint.every_n_steps": int | None,
    "paths.outputs": str,
    "paths.data": str,
    "sweep.name": str | int | None,
    "sweep.jobs": int | Literal["auto"],
    "sweep.fail_fast": bool,
    "sweep.metric": str | None,
    "sweep.mode": Literal["max", "min"] | None,
    "sweep.select_on_test": bool,
    "lab.title": str | None,
    "lab.question": str | None,
    "lab.minutes": float | None,
}
"""Keys that no target takes, and what they hold."""
MEMBERS = ("callbacks", "logger")
"""Groups of parts, each of which may be null."""
KINDS = {
    "trainer": "lightning.Trainer",
    "model": "lightning.LightningModule",
    "data": "lightning.LightningDataModule",
    "callbacks": "lightning.Callback",
    "logger": "lightning.pytorch.loggers.Logger",
}
"""What a part, or each member of a group of parts, is made of."""
ENDS = "lightning.pytorch.callbacks.EarlyStopping"
"""The callback that ends a run without limits."""
RANGES = {"seed": (0, 2**32 - 1), "checkpoint.every_n_steps": (1, math.inf), "sweep.jobs": (1, math.inf)}
"""The least and the greatest number."""


def compose_and_check(overrides: Sequence[str]) -> Composed:
    """Composes overrides of the command line and checks the config.

    Raises:
        ConfigError: with all mistakes together: wrong overrides, and what is wrong with the rest.
    """
    wrong = {**several_values(overrides), **wrong_overrides(overrides)}
    # What needs no more than quotes stands for the rest as if it had them: else its key would seem to be missing.
    rest = [fixed for text in overrides if (fixed := in_quotes(text)) not in wrong]
    try:
        mistakes = check(composed := compose(rest))
    except ConfigError as error:
        raise ConfigError(dict.fromkeys([*wrong.values(), *error.mistakes])) from error
    if wrong or mistakes:
        raise ConfigError([*wrong.values(), *mistakes])
    return composed


def check(composed: Composed) -> list[str]:
    """The mistakes in a config or a part of one, a line each: where it stands, the key, what is wrong or was meant."""
    config = composed.config
    whole = "trainer" in config  # else it is a part, such as the settings of a search
    mistakes = [*_in_run(config), *mistakes_in_expect(config["lab"]["expect"], composed.variants)] if whole else []
    for key, node in targets(config):
        given = _from_data(config) if key == "model" else GIVEN_BY_THE_RUN.get(key.split(".")[0], set())
        mistakes += _in_node(key, node, given)
    if whole and not any(key.startswith(("trainer", "callbacks", "model._target_")) for key, _ in mistakes):
        mistakes += _in_trainer(config)
    wrong = {key for key, _ in mistakes}
    if whole and not any(key.startswith("sweep.") for key in wrong):
        mistakes += mistakes_in_choice(config["sweep"])
    return [f"{_where(key, composed)}: {what}" for key, what in mistakes if composed.copies.get(key) not in wrong]


def _in_run(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Pairs of a dotted key and what is wrong with it, of what the run itself takes."""
    for key, hint in OF_THE_RUN.items():
        section, _, name = key.rpartition(".")
        value = (config[section] if section else config).get(name)
        least, greatest = RANGES.get(key, (-math.inf, math.inf))
        if problem := type_problem(value, hint):
            yield key, problem
        elif isinstance(value, int) and not least <= value <= greatest:
            end = "on" if greatest == math.inf else f"to {greatest}"
            or_null = "" if type_problem(None, hint) else ", or null"
            yield key, f"should be a number from {least} {end}{or_null}, is {value}"
    for group in MEMBERS:
        for name, node in config[group].items():
            if node is not None and not (isinstance(node, dict) and "_target_" in node):
                yield f"{group}.{name}", f"should have a _target_, or be null to leave it out; is {node!r}"


def _in_node(key: str, node: dict[str, Any], given: set[str]) -> Iterator[tuple[str, str]]:
    """The same of a node with a target; ``given`` are the arguments that do not come from the config."""
    path, (group, *inner) = node["_target_"], key.split(".")
    try:
        target = resolve_name(path)
        signature(target)
    except Exception as error:  # whatever importing the target may raise is the mistake to report
        reason = why_not_found(path, error) if isinstance(path, str) else f"should be a dotted name, is {path!r}"
        yield f"{key}._target_", reason
        return
    if len(inner) == (group in MEMBERS) and group in KINDS and not _is_a(target, KINDS[group]):
        yield f"{key}._target_", f"{path} is no {KINDS[group]}"
    own = {name: value for name, value in node.items() if name != "_target_"}
    built = {name for name, value in own.items() if any(targets(value))}
    for name, problem in argument_mistakes(target, own, given, built, numbers=group != "trainer"):
        yield f"{key}.{name}".rstrip("."), problem


def _in_trainer(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The same of the Trainer's arguments together, beside the technique and the callbacks of the run."""
    from leyden.training.trainer import trainer_mistakes  # here, because it brings Lightning

    technique, trainer = resolve_name(config["model"]["_target_"]), config["trainer"]
    callbacks = [resolve_name(node["_target_"]) for node in config["callbacks"].values() if node]
    ends = any(_is_a(callback, ENDS) for callback in callbacks)
    learnt = not all(callback.__module__.startswith(("lightning.", "leyden.training.")) for callback in callbacks)
    given = {name: value for name, value in trainer.items() if name != "_target_"}
    for name, problem in trainer_mistakes(given, technique.automatic_optimization is False, ends, learnt).items():
        clips = name == "gradient_clip_val" and "clip" in signature(technique).hints
        yield f"trainer.{name}", f"{problem}; model.clip takes its place" if clips else problem


def _is_a(target: Any, kind: str) -> bool:
    return inspect.isclass(target) and issubclass(target, resolve_name(kind))


def _from_data(config: dict[str, Any]) -> set[str]:
    """The names of what the data will tell the model, read off the return annotation of the DataModule's ``spec``."""
    try:
        spec = resolve_name(config["data"]["_target_"]).spec
        return set(get_type_hints(get_type_hints(spec.fget)["return"]))
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
