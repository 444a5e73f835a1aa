"""What a run itself takes, beside trainer, model and data: the keys, what they hold, and what is wrong with a value."""

import math
from collections.abc import Iterator
from typing import Any, Literal

from leyden.core.arguments import type_problem

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
