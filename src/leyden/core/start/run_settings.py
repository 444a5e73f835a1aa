"""What a run itself takes, beside trainer, model and data: the keys, what they hold, and what is wrong with a value."""

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from leyden.core.arguments import type_problem
from leyden.core.start.nearest import keys_in, nearest

SECTIONS = ("paths", "trainer", "callbacks", "logger", "model", "data", "checkpoint", "sweep", "lab")
"""Parts of a config that hold keys."""
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
    "lab.image": str | None,
    "lab.headline": list[str],
    "lab.next": dict[str, str],
}
"""Keys that no target takes, and what they hold."""
MEMBERS = ("callbacks", "logger")
"""Groups of parts, each of which may be null."""
RANGES = {"seed": (0, 2**32 - 1), "checkpoint.every_n_steps": (1, math.inf), "sweep.jobs": (1, math.inf)}
"""The least and the greatest number."""


def mistakes_in_run(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
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


def out_of_shape(config: dict[str, Any], raw: str, own: dict[str, Any], groups: Sequence[str]) -> Iterator[str]:
    """What a config lacks that every run has, or has besides, a line each.

    Args:
        config: plain and resolved.
        raw: its text before interpolations were resolved, which may read keys of a user's own.
        own: ``config.yaml``.
        groups: from which options are chosen.
    """
    for part in SECTIONS:
        if not isinstance(config.get(part), dict):
            cure = f"choose one with {part}=NAME" if part in groups else "leave it, and set the keys below it"
            yield f"{part}: should hold keys, is {config.get(part)!r}: {cure}"
    for part in ("trainer", "model", "data"):
        if isinstance(config.get(part), dict) and "_target_" not in config[part]:
            yield f"{part}._target_: is missing; choose one with {part}=NAME"
    for name, value in own.items():
        if name != "defaults" and name not in config:
            yield f"{name}: is missing; a run needs it, so leave it in"
        elif isinstance(value, dict) and isinstance(config.get(name), dict):
            yield from (f"{name}.{key}: is missing; leave it in" for key in value if key not in config[name])
    known = {name: value for name, value in config.items() if name in own or name in SECTIONS}
    for name in config.keys() - known.keys():
        if not re.search(rf"\$\{{[^}}]*\b{re.escape(str(name))}\b", raw):
            told = nearest(str(name), [*known, *groups], keys_in({**known, "lab": {}}))
            yield f"{name}: unknown key, which nothing reads{told}"
