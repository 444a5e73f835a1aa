"""``leyden run``, ``sweep``, ``check`` and ``resume``."""

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

from leyden.bench.config.instantiate import prepared_data
from leyden.bench.config.validate import compose_and_check
from leyden.bench.run.record import Record
from leyden.core.allow_list import ALLOW, check_folder, from_environment
from leyden.core.start.loading import load_torch, no_collections

RECORD = "LEYDEN_RECORD"
"""Environment variable by which the other processes of a distributed run know their record."""
INTERRUPTED = 130
"""Exit status of a run that was stopped and can go on."""


def run(overrides: Sequence[str]) -> int:
    """Composes, checks, trains, tests and records a lab; with ``-m`` a sweep; or shows Hydra's own help."""
    from leyden.bench.sweep import sweep

    if sweep.wants_hydra(list(overrides)):
        return sweep.run(list(overrides))
    record = Record.create(compose_and_check(overrides, whole=False, here=True))
    try:
        return run_record(record)
    finally:
        record.discard_failed_start()


def check(overrides: Sequence[str]) -> None:
    """Raises ConfigError with every mistake in a config; runs nothing."""
    composed = compose_and_check(overrides, here=True)
    from leyden.training.trainer import refuse_few_batches  # here, because it brings torch

    refuse_few_batches(composed.config["trainer"], lambda: prepared_data(composed.config, composed.allow))
    print(f"{composed.config['lab']['name']}: nothing wrong")


def resume(folder: Path, allow: Collection[str] = ()) -> int:
    """Goes on with a run or a sweep that was stopped, in the same folder, with the same config.

    Args:
        folder: of the record or of the sweep.
        allow: packages, modules or classes that it may name besides known ones.
    """
    if (folder / "multirun.yaml").is_file():
        from leyden.bench.sweep.store import records_in, trusted_in
        from leyden.bench.sweep.sweep import resume as resume_sweep

        allow = frozenset(allow) | trusted_in(folder)
        check_folder(folder, (job.config for job in records_in(folder)), allow)
        return resume_sweep(folder, allow)
    if Record(folder).status["status"] == "done":
        print(f"{folder} is done; nothing to go on with")
        return 0
    record = open_record(folder, allow)
    record.refuse_if_running()
    return run_record(record)


def open_record(folder: Path, allow: Collection[str] = (), needs: Literal["checkpoint", "end"] | None = None) -> Record:
    """A record that may come from someone else.

    Args:
        folder: of the run.
        allow: packages, modules or classes that it may name besides known ones.
        needs: what the run must have reached.

    Raises:
        RecordError: there is none in ``folder``, or it has not come so far.
        NotAllowedError: it would run code that is not allowed, or write elsewhere.
    """
    record = Record(folder, allow)
    check_folder(record.folder, [record.config], record.allow, by_name=True)
    if needs == "checkpoint":
        record.kept_checkpoint()
    elif needs == "end":
        record.refuse_unless_done()
    load_torch()
    with no_collections():
        check_folder(record.folder, [record.config], record.allow)
    return record


def join_run() -> int:
    """Takes part in the run whose first process set the environment."""
    return run_record(Record(os.environ[RECORD], from_environment()))


def run_record(record: Record) -> int:
    """Runs a record to its end and prints how it ended; the exit status."""
    from leyden.bench.compat import rank
    from leyden.bench.run.run import run as run_to_the_end
    from leyden.bench.run.summary import show

    # For the other processes of a distributed run, which Lightning starts.
    os.environ |= {RECORD: str(record.folder.absolute()), ALLOW: ",".join(record.allow)}
    try:
        run_to_the_end(record)
    except (KeyboardInterrupt, SystemExit):  # what Lightning makes of Ctrl-C and SIGTERM, some with status 0
        return INTERRUPTED
    finally:
        if rank() == 0 and not record.is_failed_start:
            show(record)
    return 0
