"""``leyden reproduce``: a record's config run once more, and both outcomes compared, metric by metric."""

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from rich.console import Console
from rich.table import Table

from leyden.bench.commands.run import run_record
from leyden.bench.config.compose import Composed, compose
from leyden.bench.run.record import Record, RecordError, new_folder
from leyden.report.expectations import is_kept

Verdict = Literal["identical", "within", "different"]
TIMES = ("ms_per_image", "train_seconds")
"""What no two runs share; metrics whose names contain one of these are not compared."""
MEANING = {
    "identical": "identical bit for bit",
    "within": "within the lab's spread: other numbers, but all as lab.expect says that a sound run reaches",
    "different": "different",
}


def reproduce(record: Record, output: Path | None = None) -> int:
    """Runs the config of a record again, prints what differs, and returns 0 where the run was reproduced."""
    new = repeat(record, output)
    for line in changes(record.environment, new.environment):
        print(line, file=sys.stderr)
    return run_record(new) or (0 if print_verdicts(record, new) else 1)


def repeat(record: Record, folder: Path | None = None) -> Record:
    """A new record with the config of one that is done, and its number of threads; nothing is run.

    Args:
        record: what is to be reproduced.
        folder: the new record's; None for a new one below ``<outputs>/reproduced``.

    Raises:
        RecordError: the run is not done, or ``folder`` holds something.
    """
    if record.status["status"] != "done":
        raise RecordError(f"{record.folder} is not done: `leyden resume {record.folder}` first")
    if folder is not None and folder.exists() and any(folder.iterdir()):
        raise RecordError(f"--output {folder} is not empty: choose another folder")
    typed = yaml.safe_load((record.folder / "overrides.yaml").read_text())
    if folder is None:  # the record's own paths and names may lead anywhere
        folder = new_folder(Path(compose(["~experiment"]).config["paths"]["outputs"]) / "reproduced")
    composed = Composed(record.config, typed["choices"], typed["overrides"])
    new = Record.create(composed, folder, record.allow)
    if devices := record.environment.get("devices"):
        new.add_environment(devices=devices)  # so that the run takes as many threads
    return new


def changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two runs' environments and may make the outcome differ, a line each.

    Args:
        then: ``environment.json`` of the one.
        now: of the other; what only one of them has by now, such as the data's fingerprint, is left out.
    """
    lines = []
    before, after = then["packages"], now["packages"]
    packages = {name: (before.get(name), after.get(name)) for name in sorted({*before, *after})}
    spec = {name: (then.get(name), now.get(name)) for name in ("python", "platform", "cpu", "data")}
    devices, others = then.get("devices") or {}, now.get("devices") or {}
    spec |= {f"devices.{name}": (devices[name], others.get(name)) for name in devices}
    spec |= {"git commit": (_commit(then), _commit(now))}
    for name, (old, new) in {**packages, **spec}.items():
        if old != new and not (name == "data" and None in (old, new)):
            lines.append(f"{name}: {old or 'none'} then, {new or 'none'} now")
    if dirty := [when for when, spec in (("then", then), ("now", now)) if (spec.get("git") or {}).get("dirty")]:
        lines.append(f"git: the code had changes that no commit holds ({' and '.join(dirty)})")
    return lines


def compare(
    then: Mapping[str, float], now: Mapping[str, float], expect: Mapping[str, dict[str, float]]
) -> dict[str, Verdict]:
    """A verdict on each metric that either run has, but for times.

    Args:
        then: metrics of the record.
        now: metrics of its repetition.
        expect: the lab's bounds; a metric is within its spread where both values keep them.
    """
    verdicts: dict[str, Verdict] = {}
    for name in [*then, *(name for name in now if name not in then)]:
        if any(time in name for time in TIMES):
            continue
        old, new = then.get(name), now.get(name)
        if old is None or new is None:
            verdicts[name] = "different"
        elif old == new or (math.isnan(old) and math.isnan(new)):
            verdicts[name] = "identical"
        else:
            kept = name in expect and is_kept(expect[name], old) and is_kept(expect[name], new)
            verdicts[name] = "within" if kept else "different"
    return verdicts


def overall(verdicts: Mapping[str, Verdict], expect: Mapping[str, Any]) -> Verdict:
    """The verdict on the run: identical in all, or as far as the lab's bounds reach; others have no known spread."""
    if all(verdict == "identical" for verdict in verdicts.values()):
        return "identical"
    bounded = [verdicts.get(name, "different") for name in expect]
    return "within" if bounded and "different" not in bounded else "different"


def print_verdicts(record: Record, new: Record) -> bool:
    """Prints what had changed, both runs' metrics with a verdict each, and the verdict on the whole.

    Returns:
        whether the run was reproduced: identical, or within the lab's spread.
    """
    console = Console()
    expect = record.config["lab"]["expect"] or {}
    then, now = record.metrics, new.metrics
    verdicts = compare(then, now, expect)
    table = Table("metric", "then", "now", "", box=None, header_style="bold", pad_edge=False)
    for name, verdict in verdicts.items():
        table.add_row(name, _number(then.get(name)), _number(now.get(name)), verdict)
    console.print(table)
    for line in changes(record.environment, new.environment):
        console.print(f"  {line}", highlight=False, soft_wrap=True)
    whole = overall(verdicts, expect)
    counts = f"{sum(verdict == 'identical' for verdict in verdicts.values())} of {len(verdicts)} metrics are identical"
    console.print(f"\n{MEANING[whole]} ({counts}): {new.folder}", highlight=False, soft_wrap=True)
    return whole != "different"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.9g}"


def _commit(environment: Mapping[str, Any]) -> str | None:
    return (environment.get("git") or {}).get("commit")
