"""Every mistake in a config at once, before anything runs: targets, arguments, types."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from pkgutil import resolve_name
from typing import Any, get_type_hints

import yaml

from leyden.bench.config.compose import Composed, ConfigError, compose
from leyden.bench.config.groups import file_of, groups
from leyden.bench.config.overrides import in_quotes, several_values, wrong_overrides
from leyden.core.allow_list import targets
from leyden.core.arguments import argument_mistakes, signature, why_not_found
from leyden.core.start.loading import load_torch, no_collections
from leyden.core.start.places import missing_places
from leyden.core.start.run_settings import MEMBERS, mistakes_in_run
from leyden.core.text.yaml_comments import heading
from leyden.report.labs.expectations import mistakes as mistakes_in_expect
from leyden.report.sweep.selection import mistakes_in_choice

GIVEN_BY_THE_RUN = {"logger": {"save_dir"}, "trainer": {"logger", "callbacks", "plugins", "default_root_dir"}}
"""Arguments that the run itself passes to the members of a group."""
KINDS = {
    "trainer": "lightning.Trainer",
    "model": "lightning.LightningModule",
    "data": "lightning.LightningDataModule",
    "callbacks": "lightning.Callback",
    "logger": "lightning.pytorch.loggers.Logger",
}
"""What a part, or each member of a group of parts, is made of."""
NOT_ALL = "other values may be wrong, too, which would have to wait for PyTorch: use `leyden check` to see all at once"
"""The last mistake where they were not looked at."""
ENDS = "lightning.pytorch.callbacks.EarlyStopping"
"""The callback that ends a run without limits."""


def compose_and_check(
    overrides: Sequence[str], whole: bool = True, here: bool = False, beside: Callable[[list[Any]], object] = list
) -> Composed:
    """Composes overrides of the command line and checks the config.

    Args:
        overrides: of the command line.
        whole: whether types and ranges of the other values, which need torch, are looked at also where a name, a path
            or what the run itself takes is wrong.
        here: whether the files and folders that it names should be on this machine.
        beside: called with the config, in a list, just before the check imports torch, if it does.

    Raises:
        ConfigError: with all mistakes together: wrong overrides, and what is wrong with the rest.
    """
    wrong = {**several_values(overrides), **wrong_overrides(overrides)}
    # What needs no more than quotes stands for the rest as if it had them: else its key would seem to be missing.
    rest = [fixed for text in overrides if (fixed := in_quotes(text)) not in wrong]
    try:
        composed = compose(rest)
    except ConfigError as error:
        raise ConfigError(dict.fromkeys([*wrong.values(), *error.mistakes])) from error
    absent = absent_places(composed, wrong) if here else []
    mistakes = [*wrong.values(), *absent, *check_early(composed)]
    others = {_key(text) for text in rest} - {*groups()}
    unknown = not all(any(told.startswith(key) for told in mistakes) for key in others)
    if not mistakes or (whole and unknown):
        beside([composed.config])
        load_torch()
        mistakes = [*dict.fromkeys([*mistakes, *check(composed)])]
    elif unknown:
        mistakes.append(NOT_ALL)
    if mistakes:
        raise ConfigError(mistakes)
    return composed


def absent_places(composed: Composed, left_out: Iterable[str] = ()) -> list[str]:
    """A line for each file or folder that a run would read and that is not there, but for those of these overrides."""
    wrong = {_key(text) for text in left_out}
    source = file_of("data/source", composed.choices.get("data/source", ""))
    about = f"; {source.stem}: {' '.join(heading(source.read_text()))}" if source.is_file() else ""
    missing = [(key, told) for key, told in missing_places(composed.config) if key not in wrong]
    return [told + about * key.startswith("data.source") for key, told in missing]


def check_early(composed: Composed) -> list[str]:
    """The mistakes in what the run itself takes, which are found without torch."""
    return _told(_in_lab(composed), composed)


@no_collections()  # of garbage, of which the imports make none
def check(composed: Composed) -> list[str]:
    """The mistakes in a config or a part of one, a line each: where it stands, the key, what is wrong or was meant."""
    config = composed.config
    whole = "trainer" in config  # else it is a part, such as the settings of a search
    mistakes = [*_in_lab(composed)] if whole else []
    for key, node in targets(config):
        given = _from_data(config) if key == "model" else GIVEN_BY_THE_RUN.get(key.split(".")[0], set())
        mistakes += _in_node(key, node, given)
    if whole and not any(key.startswith(("trainer", "callbacks", "model._target_")) for key, _ in mistakes):
        mistakes += _in_trainer(config)
    return _told(mistakes, composed)


def _told(mistakes: Iterable[tuple[str, str]], composed: Composed) -> list[str]:
    """A line each; one for a value that other keys copy."""
    known = [*mistakes]
    wrong = {key for key, _ in known}
    lines = [f"{_where(key, composed)}: {what}" for key, what in known if composed.copies.get(key) not in wrong]
    lab = composed.choices.get("experiment")
    own = [line for line in lines if f"(experiment/{lab}.yaml): unknown key" not in line]
    if len(own) == len(lines) or any(_key(override) == "experiment" for override in composed.overrides):
        return lines
    return [
        f"{lab}, the lab that is run where none is named, does not fit this model and data: add '~experiment'",
        *own,
    ]


def _in_lab(composed: Composed) -> Iterator[tuple[str, str]]:
    """Pairs of a dotted key and what is wrong with it, of what needs no class to be known."""
    yield from (found := [*mistakes_in_run(composed.config)])
    yield from mistakes_in_expect(composed.config["lab"]["expect"], composed.variants)
    if not any(key.startswith("sweep.") for key, _ in found):
        yield from mistakes_in_choice(composed.config["sweep"])


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
        yield f"{key}._target_", f"{path} is no {KINDS[group]}; choose one"
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
    if any(_key(override) == key for override in composed.overrides):
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


def _key(override: str) -> str:
    return override.lstrip("+~").partition("=")[0]


def _stands_in(node: Any, path: list[str]) -> bool:
    if not path:
        return True
    return isinstance(node, dict) and path[0] in node and _stands_in(node[path[0]], path[1:])
