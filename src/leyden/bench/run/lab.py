"""A run beside its lab: whether it has the lab's settings, and which runs are the controls that the lab names."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from leyden.bench.config.compose import Composed, ConfigError, compose
from leyden.bench.config.variants import CHOICE, quoted
from leyden.bench.run.record import Record
from leyden.report.labs.expectations import controls, outcome_table, outcomes
from leyden.report.labs.headline import headline
from leyden.report.labs.sections import Finished
from leyden.report.labs.settings import differing_settings, listed, same_run
from leyden.report.runs import Run

PLACES = re.compile(r"[+~]*(hydra\.searchpath|paths\b)")
"""Overrides that say where a lab's file and its data are."""


def left_out(record: Record) -> str | None:
    """Why a lab's question and expectations do not apply to a run: it is not the lab's; None where it is."""
    lab = record.config["lab"]
    own = _lab_config(record)
    if own is None:
        return f"the file of {lab['name']} is not here: its question and expectations are left out"
    if keys := differing_settings(record.config, own):
        named = any(text.startswith("experiment=") for text in record.overrides)
        other = f"settings other than {lab['name']}'s"
        what = other if named else f"no experiment=..., so {lab['name']} with other settings"
        return f"{what}: {listed(keys)}; its question and expectations are left out"
    return None


def missed(record: Record) -> list[str]:
    """What of its lab's expectations a run has not reached, a line each; none where its settings are not the lab's."""
    if not record.config["lab"].get("expect") or left_out(record):
        return []
    lines = headline(record.config["lab"], record.metrics, "")
    return [f"{one.metric} {one.reached}: NOT {one.expected}" for one in lines if one.passed is False]


def composed_control(record: Record, variant: str) -> Composed:
    """The config of a control: the lab's variant with the seed, the devices and the places of a run.

    Raises:
        ConfigError: the lab has no such variant any more.
    """
    chosen = f"{CHOICE}={quoted(variant)}"
    own, other = _lab_config(record), _lab_config(record, chosen)
    changed = differing_settings(other or {}, own or {})
    typed = [text for text in record.overrides if not _is_of(text, ["experiment", CHOICE, *changed])]
    return _composed((*typed, f"experiment={record.config['lab']['name']}", chosen))


def with_controls(records: Iterable[Record], among: Sequence[Record]) -> list[tuple[Run, dict[str, Run]]]:
    """Runs that are their labs' own, each with those of its controls that are done.

    Args:
        records: of any runs; those with other settings than their lab's are left out.
        among: where controls are looked for.
    """
    pairs = []
    for record in records:
        if not left_out(record):
            found = {name: _first(record, name, among) for name in controls(record.config["lab"].get("expect"))}
            pairs.append((as_run(record), {name: as_run(one) for name, one in found.items() if one}))
    return pairs


def finished(records: Iterable[Record], among: Sequence[Record]) -> list[Finished]:
    """Those runs that are done, each with those of its controls that are, found among other runs."""
    done = (record for record in records if record.status["status"] == "done")
    return [
        Finished(
            as_run(one),
            one.overrides,
            one.environment,
            left_out(one),
            dict(*(c for _, c in with_controls([one], among))),
        )
        for one in done
    ]


def difference_table(records: Sequence[Record]) -> str:
    """What labs expect of differences, where a sweep has the lab's own runs and the controls; else empty."""
    pairs = [(run, found) for run, found in with_controls(records, records) if found]
    lines = [one for one in outcomes(pairs) if any(one.expectation.control in found for _, found in pairs)]
    return outcome_table(lines) if lines else ""


def as_run(record: Record) -> Run:
    """What reports are made of."""
    done = record.status["status"] == "done"
    return Run(config=record.config, metrics=record.metrics if done else {}, folder=record.folder)


def _first(record: Record, variant: str, among: Sequence[Record]) -> Record | None:
    config = composed_control(record, variant).config
    return next((one for one in among if one.status["status"] == "done" and same_run(one.config, config)), None)


def _lab_config(record: Record, *chosen: str) -> dict[str, Any] | None:
    places = [text for text in record.overrides if PLACES.match(text)]
    seed = f"seed={record.config['seed']}"
    try:
        return _composed((*places, seed, f"experiment={record.config['lab']['name']}", *chosen)).config
    except ConfigError:
        return None


_composed = cache(compose)
"""The same config, to be read alone, for the same tuple of overrides: reports ask often."""


def _is_of(override: str, keys: Sequence[str]) -> bool:
    """Whether an override sets one of the keys, or what is below it."""
    own = override.partition("=")[0].lstrip("+~").split("@")[0].replace("/", ".")
    return any(own == key or own.startswith(f"{key}.") for key in keys)
