"""``leyden reproduce``: a record's config run once more, and both outcomes compared, metric by metric."""

import sys
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from leyden.bench.commands.run import run_record
from leyden.bench.config.compose import Composed, compose
from leyden.bench.run.record import Record, RecordError, new_folder
from leyden.core.environment import changes
from leyden.report.labs.expectations import bounds_only
from leyden.report.labs.reproduction import MEANING, compare, overall


def reproduce(record: Record, output: Path | None = None) -> int:
    """Runs the config of a record again, prints what differs, and returns 0 where the run was reproduced.

    It is where all metrics are identical, or within the lab's spread.
    """
    new = repeat(record, output)
    for line in changes(record.environment, new.environment):
        print(line, file=sys.stderr)
    if status := run_record(new):
        return status
    then, now, expect = record.metrics, new.metrics, bounds_only(record.config["lab"]["expect"])
    verdicts = compare(then, now, expect)
    table = Table("metric", "then", "now", "", box=None, header_style="bold", pad_edge=False)
    for name, verdict in verdicts.items():
        table.add_row(name, *(f"{run[name]:.9g}" if name in run else "" for run in (then, now)), verdict)
    console, whole = Console(), overall(verdicts, expect)
    console.print(table)
    for line in changes(record.environment, new.environment):
        console.print(f"  {line}", highlight=False, soft_wrap=True)
    same = sum(verdict == "identical" for verdict in verdicts.values())
    counts = f"{same} of {len(verdicts)} metrics are identical"
    console.print(f"\n{MEANING[whole]} ({counts}): {new.folder}", highlight=False, soft_wrap=True)
    return int(whole == "different")


def repeat(record: Record, folder: Path | None = None) -> Record:
    """A new record with the config of one that is done, and its number of threads; nothing is run.

    Args:
        record: what is to be reproduced.
        folder: the new record's; None for a new one below ``<outputs>/reproduced``.

    Raises:
        RecordError: the run is not done, or ``folder`` holds something.
    """
    record.refuse_unless_done()
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
