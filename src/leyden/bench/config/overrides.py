"""Overrides of the command line that cannot be applied, all of them at once, each with the nearest right one."""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, Quote, QuotedString
from hydra.errors import HydraException

from leyden.bench.config.compose import compose_unchecked, hydra_over_conf, without_cure
from leyden.bench.config.groups import CONF, groups, options
from leyden.bench.config.variants import CHOICE, read
from leyden.core.start.nearest import keys_in, meant, nearest
from leyden.core.text.shell import command, shell_word
from leyden.core.yaml_file import yaml_problem

SEARCHPATH = "hydra.searchpath"
"""The key by which a user names folders of their own."""


def wrong_overrides(overrides: Sequence[str]) -> dict[str, str]:
    """Every override that cannot be applied, with the reason and the nearest right name."""
    wrong: dict[str, str] = {}
    parsed: dict[str, Override] = {}
    for text in overrides:
        fixed = in_quotes(text)  # by which the rest is looked at
        if fixed != text:
            wrong[text] = _unreadable(text)
        try:
            parsed[fixed] = read(fixed)
        except HydraException:
            wrong[text] = _unreadable(text)
    searchpath: dict[str, list[str]] = {}
    for text, override in parsed.items():
        if override.key_or_group == SEARCHPATH:
            folders: Any = override.value()
            if not isinstance(folders, list) or not all(isinstance(folder, str) for folder in folders):
                return {text: f"{text}: should be a list of folders, such as {SEARCHPATH}=[file:///my/folder]"}
            searchpath[text] = folders
    right = [*searchpath]
    elsewhere: dict[str, Override] = {}
    for text, override in parsed.items():
        key, chooses = override.key_or_group, not override.is_delete() and override.value() is not None
        if key == CHOICE and not override.is_sweep_override():
            right.append(text)
        elif key not in groups():
            continue
        elif override.is_add() or override.is_force_add():
            wrong[text] = f"{text}: {key} is a group that has its place; {key}=NAME chooses from it"
        elif chooses and (mistake := _wrong_option(override, searchpath)):
            wrong[text] = mistake
        elif override.package is not None:
            elsewhere[text] = override
        else:
            several = isinstance(override.value(), list)  # options side by side, such as two loggers
            right.append(f"{key}={_options_of(override)[0]}" if chooses and not several else text)
    try:
        composed = compose_unchecked(right, whole=False)
        for text, override in elsewhere.items():
            place = f"{override.key_or_group}@{override.package}"
            if place in composed.choices:
                chooses = not override.is_delete() and override.value() is not None
                right.append(f"{place}={_options_of(override)[0]}" if chooses else text)
            else:
                wrong[text] = _no_place(override, composed.choices)
        base = (compose_unchecked(right, whole=False) if elsewhere else composed).config
    except Exception as error:  # whatever Hydra and its resolvers raise is the mistake to report
        return wrong or {" ".join(right): without_cure(right, error)}
    for text, override in parsed.items():
        key = override.key_or_group
        if key in (CHOICE, *groups()) or key.startswith("hydra") or override.is_add() or override.is_force_add():
            continue
        group = key.replace(".", "/")
        if group in groups() and isinstance(override.value(), str):
            wrong[text] = f"{text}: this is set by choosing from a group: {group}={override.value()}"
        elif mistake := _unknown_key(key, base):
            wrong[text] = mistake
    return wrong


def several_values(overrides: Sequence[str]) -> dict[str, str]:
    """The overrides that Hydra reads as a choice of values, which only a sweep makes; with the cure."""
    found = {}
    for text in overrides:
        with suppress(HydraException):
            override, one = read(text), "; give one here"
            value = override.value()
            if isinstance(value, ChoiceSweep) and value.simple_form and any(isinstance(v, str) for v in value.list):
                one = f"; for one value put quotes inside: {shell_word(_quote(text))}"
            if override.is_sweep_override():
                found[text] = f"{text}: several values, of which `leyden sweep` tries each{one}"
    return found


def in_quotes(text: str) -> str:
    """The override with quotes around its value, which Hydra reads, where it cannot read it without."""
    for candidate in (text, _quote(text)):
        with suppress(HydraException):
            read(candidate)
            return candidate
    return text


def whole_command(words: Iterable[str], message: str) -> str:
    """The command line for the shell, with the quotes that a message of this file asks for."""
    return command(*(fixed if shell_word(fixed := _quote(word)) in message else word for word in words))


def _quote(text: str) -> str:
    """The override with quotes around its value, or around each element of a list."""
    key, equals, value = text.partition("=")
    inner = value.strip()
    if inner.startswith("[") and inner.endswith("]") and len(inner) > 2:
        return f"{key}=[{','.join(_in_double(element.strip()) for element in inner[1:-1].split(','))}]"
    return f"{key}{equals}{_in_double(value)}" if equals else text


def _in_double(value: str) -> str:
    plain = value if re.search(r"\$\{.*\}", value) else value.replace("${", r"\${")
    return QuotedString(plain, Quote.double).with_quotes()


def _unreadable(text: str) -> str:
    if (fixed := in_quotes(text)) != text:
        return f"{text}: Hydra takes signs in this value for its own; put quotes inside: {shell_word(fixed)}"
    choices = [f"{group}={option}" for group in groups() for option in options(group)]
    if re.fullmatch(r"[\w/]+", text) and (close := meant(text, [], choices)):
        return f"{text}: is no KEY=VALUE; did you mean {' or '.join(close)}?"
    return f"{text}: is no KEY=VALUE, +KEY=VALUE or ~KEY; a value with spaces needs quotes: 'KEY=\"a value\"'"


def without_default_lab(overrides: Sequence[str]) -> list[str]:
    """The same overrides, and before them ``~experiment`` where they name no lab."""
    named = any(override.startswith("experiment=") for override in overrides)
    return [*overrides] if named else ["~experiment", *overrides]


def _wrong_option(override: Override, searchpath: Mapping[str, list[str]]) -> str | None:
    """What is wrong with the choice from a group: its name, or the YAML file that it names.

    Folders of the user's own, named by ``hydra.searchpath=[...]``, may have the option, too.
    """
    group, known = override.key_or_group, options(override.key_or_group)
    if override.is_sweep_override() and not override.is_discrete_sweep():
        return f"{override.input_line}: an interval chooses no name{nearest('', known)}"
    chosen = _options_of(override)
    places = [CONF, *(Path(folder.removeprefix("file://")) for own in searchpath.values() for folder in own)]
    for option in chosen:
        folder, _, name = f"{group}/{option}".rpartition("/")
        if option not in known and not (searchpath and name in _own_options(folder, searchpath)):
            choices = [f"{other}={name}" for other in groups() for name in options(other) if other != group]
            elsewhere = [choice for choice in choices if re.split("[=/]", choice)[-1] == option]
            return (
                f"{group}={option}: no such option{nearest(option, known, [] if meant(option, known) else elsewhere)}"
            )
        for file in [place / folder / f"{name}.yaml" for place in places]:
            if file.is_file() and (problem := yaml_problem(file)):
                return f"{group}={option}: {problem}"
    return None if chosen else f"{override.input_line}: matches nothing{nearest('', known)}"


def _no_place(override: Override, choices: Iterable[str]) -> str:
    """What is wrong with a group at a place (``group@package``) that the config does not have."""
    group = override.key_or_group
    places = "".join(f", or {place}=NAME" for place in choices if place.startswith(f"{group}@"))
    return f"{override.input_line}: {group} has no such place; {group}=NAME chooses from it{places}"


def _own_options(folder: str, searchpath: Iterable[str]) -> list[str]:
    with hydra_over_conf() as loader:
        return loader.get_group_options(folder, config_name="config", overrides=[*searchpath])


def _options_of(override: Override) -> list[str]:
    """What a group override chooses; several where it sweeps, none where a glob matches nothing."""
    value = override.value()
    if isinstance(value, Glob):
        return value.filter(options(override.key_or_group))
    if override.is_sweep_override():
        return [str(option).strip("'\"") for option in override.sweep_string_iterator()]
    return [str(one) for one in (value if isinstance(value, list) else [value])]


def _unknown_key(key: str, config: Any) -> str | None:
    node, seen = config, ""
    for part in key.split("."):
        if not isinstance(node, dict):
            return f"{key}: {seen} has no keys below it; set {seen} itself"
        path = f"{seen}.{part}".lstrip(".")
        if part not in node:
            known = [f"{seen}.{name}".lstrip(".") for name in node] + ([] if seen else list(groups()))
            return f"{key}: unknown key{nearest(key, known, [*keys_in({**config, 'lab': {}}), *groups()])}"
        node, seen = node[part], path
    return None
