"""Overrides of the command line that cannot be applied, all of them at once, each with the nearest right one."""

from collections.abc import Sequence
from typing import Any

from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from leyden.bench.config.compose import compose_unchecked, first_line, hydra_over_conf
from leyden.bench.config.groups import groups, options
from leyden.bench.config.variants import CHOICE
from leyden.core.arguments import nearest


def wrong_overrides(overrides: Sequence[str]) -> dict[str, str]:
    """Every override that cannot be applied, with the reason and the nearest right name."""
    wrong: dict[str, str] = {}
    values: dict[str, Override] = {}
    searchpath = [text for text in overrides if text.startswith("hydra.searchpath")]
    right = searchpath[:]
    for text in overrides:
        try:
            [override] = OverridesParser.create().parse_overrides([text])
        except HydraException as error:
            wrong[text] = f"{text}: {first_line(error)}"
            continue
        if override.key_or_group == CHOICE and not override.is_sweep_override():
            right.append(text)
        elif override.key_or_group not in groups():
            values[text] = override
        elif override.is_delete():
            right.append(text)
        elif mistake := _wrong_option(override, searchpath):
            wrong[text] = mistake
        else:
            right.append(f"{override.key_or_group}={_options_of(override)[0]}")
    try:
        base = compose_unchecked(right, whole=False).config
    except (HydraException, OmegaConfBaseException) as error:
        return wrong or {" ".join(right): first_line(error)}
    for text, override in values.items():
        free = override.is_add() or override.key_or_group.startswith("hydra")
        if not free and (mistake := _unknown_key(override.key_or_group, base)):
            wrong[text] = mistake
    return wrong


def without_default_lab(overrides: Sequence[str]) -> list[str]:
    """The same overrides, and before them ``~experiment`` where they name no lab."""
    named = any(override.startswith("experiment=") for override in overrides)
    return [*overrides] if named else ["~experiment", *overrides]


def _wrong_option(override: Override, searchpath: list[str]) -> str | None:
    group, known = override.key_or_group, options(override.key_or_group)
    chosen = _options_of(override)
    unknown = [option for option in chosen if option not in known and not _lies_on(searchpath, group, option)]
    if unknown:
        return f"{group}={unknown[0]}: no such option{nearest(unknown[0], known)}"
    return None if chosen else f"{override.input_line}: matches nothing{nearest('', known)}"


def _lies_on(searchpath: list[str], group: str, option: str) -> bool:
    """Whether a folder of the user's own, named by ``hydra.searchpath=[...]``, has the option."""
    if not searchpath:
        return False
    folder, _, name = f"{group}/{option}".rpartition("/")
    with hydra_over_conf() as loader:
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
            known = [f"{seen}.{name}".lstrip(".") for name in node] + ([] if seen else list(groups()))
            return f"{key}: unknown key{nearest(path, known)}"
        node, seen = node[part], path
    return None
