"""``leyden compare``: records of any labs and sweeps side by side, as one table and one page."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from leyden.bench.run.record import Record, RecordError
from leyden.bench.sweep.store import records_in
from leyden.core.files import write_file
from leyden.core.start.loading import no_collections
from leyden.report.runs import Run
from leyden.report.sections import Sections


def compare(folders: Sequence[Path], to: Path | None, metrics: Sequence[str] = (), every: bool = False) -> bool:
    """Writes ``compare.csv``, ``compare.md`` and ``compare.html``, and prints the table.

    Args:
        folders: records, or folders that hold some at any depth, such as a sweep's.
        to: where the files go; None takes the folder, or what the folders have in common.
        metrics: those to show; none: what all records were tested by, and their best.
        every: shows all metrics instead.

    Returns:
        whether all records could be compared; those that are not done were reported on stderr and left out.

    Raises:
        RecordError: a folder without a record, or folders that share none for the files.
        ValueError: nothing to compare, or a metric that no record has.
    """
    if metrics and every:
        raise ValueError("--metric and --all exclude each other: leave one out")
    runs, left_out = _sort(_find(folders))
    target = to or _shared(folders)
    for line in left_out:
        print(f"left out: {line}", file=sys.stderr)
    comparison = Sections(runs, metrics, every, left_out)
    with no_collections():
        from leyden.report.page import draw_page  # here, because it brings what draws
    files = {"csv": comparison.csv(), "md": comparison.markdown(), "html": draw_page(comparison)}
    for ending, content in files.items():
        write_file(target / f"compare.{ending}", content)
    print(comparison.text(shutil.get_terminal_size().columns))
    print("comparison:", *(target / f"compare.{ending}" for ending in files), sep="\n  ")
    return not left_out


def _find(folders: Sequence[Path]) -> list[Record]:
    """The records, each once however often it was named."""
    found: dict[Path, Record] = {}
    wrong = []
    for folder in folders:
        try:
            records = records_in(folder) or [Record(folder)]
        except RecordError as error:
            wrong.append(str(error))
        else:
            found |= {record.folder.resolve(): record for record in records}
    if wrong:
        raise RecordError("\n".join(wrong))
    return list(found.values())


def _sort(records: Sequence[Record]) -> tuple[list[Run], list[str]]:
    """The runs that are done, and a line for each that is not, or that cannot be read."""
    runs, left_out = [], []
    for record in records:
        try:
            status, config, metrics = record.status["status"], record.config, record.metrics
            if status != "done":
                cure = "wait for it" if status == "running" else f"`{record.to_resume}` goes on with it"
                left_out.append(f"{record.folder} is {status}; {cure}")
            elif not metrics:
                left_out.append(f"{record.folder} has no metrics.json")
            else:
                numbers = {name: float(value) for name, value in metrics.items()}
                runs.append(Run(config={**config, "lab": dict(config["lab"])}, metrics=numbers, folder=record.folder))
        except (OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError) as error:
            left_out.append(f"{record.folder} cannot be read: {type(error).__name__}: {error}")
    return runs, left_out


def _shared(folders: Sequence[Path]) -> Path:
    """The folder that all lie in; that of a single sweep is its own."""
    holding = [
        folder.parent if (folder / "config.yaml").is_file() else folder for folder in map(Path.absolute, folders)
    ]
    shared = Path(os.path.commonpath(holding))
    if shared == Path(shared.anchor):
        raise RecordError("the records have no folder in common: --to FOLDER says where the comparison goes")
    return shared
