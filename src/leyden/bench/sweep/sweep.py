"""``leyden sweep``: many jobs through Hydra's multirun, then their ranking and the lab's report."""

import os
import re
import shutil
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from leyden.bench.config.compose import ConfigError, hydra_over_conf
from leyden.bench.config.grid import parse
from leyden.bench.config.groups import CONF
from leyden.bench.config.instantiate import build
from leyden.bench.config.overrides import wrong_overrides
from leyden.bench.config.variants import quoted
from leyden.bench.run.lab import as_run, difference_table, finished
from leyden.bench.sweep.job import StoppedError
from leyden.bench.sweep.ranking import rank, result_of
from leyden.bench.sweep.store import alone_in, records_in, run_stored
from leyden.core.allow_list import targets
from leyden.core.files import clear_leftovers
from leyden.core.text.shell import command
from leyden.report.labs.sections import sections
from leyden.report.sweep.selection import chosen_by, note

MULTIRUN = {"-m", "--multirun"}
"""How Hydra is asked for a sweep."""


def wants_hydra(words: Sequence[str]) -> bool:
    """Whether the command line asks for a sweep, or for what Hydra itself shows: help, info, completion."""
    return any(word.startswith("-") for word in words)


def run(words: Sequence[str]) -> int:
    """Gives a command line to Hydra; after a sweep says which jobs are not done, ranks them and makes the report.

    A lab may carry its sweep in ``hydra.sweeper.params``; an override for one of its keys takes the place of its
    values.

    Args:
        words: overrides and Hydra's own flags.

    Returns:
        The exit status: 1 where a job is not done.

    Raises:
        ConfigError: overrides that cannot be applied, typed or the lab's own; or what is wrong with the jobs.
        ValueError: what the lab's report asks for is not in the config.
        RecordError: another sweep is at work in the folder.
    """
    flags = {word for word in words if word.startswith("-")}
    if flags - MULTIRUN:  # --help, --cfg, --shell-completion: it shows what one job would be
        if (
            "COMP_LINE" in os.environ
        ):  # Hydra completes a line without a verb: `leyden run exp<TAB>` as `leyden exp<TAB>`
            os.environ["COMP_LINE"] = os.environ["COMP_LINE"].replace(" run ", " ", 1)
        _hydra([word for word in words if word not in MULTIRUN])
        return 0
    overrides = [word for word in words if word not in flags]
    if wrong := wrong_overrides(overrides):
        raise ConfigError(wrong.values())
    folder, allow = _place_of(overrides)
    new = not folder.exists()
    with alone_in(folder):
        # The time in the folder's name must not be taken twice.
        place = f"hydra.sweep.dir={quoted(str(folder))}"
        try:
            return _to_the_end(folder, lambda: _hydra(["-m", *overrides, place]), allow)
        except ValueError:
            if new and not records_in(folder):
                shutil.rmtree(folder)
            raise


def resume(folder: Path, allow: Collection[str] = ()) -> int:
    """Goes on with the jobs that are stored in a sweep's folder; composes none. ``allow`` as for ``Record``."""

    def run_again() -> None:
        records = records_in(folder, allow)
        run_stored(records, records[0].config["sweep"])
        if "pruning" in (records[0].config["callbacks"] or {}):
            from leyden.bench.search.study import conclude  # here, because it brings Optuna

            conclude(folder)

    with alone_in(folder):
        return _to_the_end(folder, run_again, allow)


def _to_the_end(folder: Path, do: Callable[[], Any], allow: Collection[str]) -> int:
    """Runs jobs, then says how the sweep in ``folder`` ended; the exit status."""
    try:
        do()
    except StoppedError as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        print(f"`{command('resume', folder)}` goes on", file=sys.stderr)
        raise
    clear_leftovers(folder)
    records = records_in(folder)
    unfinished = [record for record in records if record.status["status"] != "done"]
    for record in unfinished:
        status = record.status
        print(": ".join([status["status"], str(record.folder), *filter(None, [status.get("error")])]), file=sys.stderr)
    print(f"{len(records) - len(unfinished)} of {len(records)} jobs done", file=sys.stderr)
    if len(records) > 1 and (table := rank(folder, records)):
        done = [record for record in records if record.status["status"] == "done"]
        several = len({result_of(record).metric for record in done}) > 1  # of different labs: no one is best
        print("\n\n".join(part.text() for part in sections(finished(records, records))) if several else table)
        print(f"\nranking: {folder / 'ranking.md'}")
    if table := difference_table(records):
        print(table)
    report(folder, allow)
    return 1 if unfinished else 0


def report(folder: Path, allow: Collection[str] = ()) -> None:
    """Writes the report that a sweep's first config names into the sweep's folder, and prints it; without one, nothing.

    Args:
        folder: of the sweep; the records in it are what the report is made from, whether their jobs ended well or not.
        allow: what its config may name besides known classes.
    """
    records = records_in(folder, allow)
    if not records or not (node := records[0].config["report"]):
        return
    from leyden.report.sweep.files import write_report  # here, because it brings torch, which completion does without

    chosen = [metric for record in records for metric in chosen_by(record.config)]
    write_report(folder, build(node, allow)([as_run(record) for record in records]), note(chosen))


def _place_of(overrides: Sequence[str]) -> tuple[Path, frozenset[str]]:
    """The folder of a sweep, ``hydra.sweep.dir`` or beside it ``sweep.name``; and the classes that its config names."""
    fixed = [str(override.input_line) for override in parse(overrides) if not override.is_sweep_override()]
    try:
        with hydra_over_conf():
            master = hydra.compose("config", fixed, return_hydra_config=True)
    except HydraException as error:  # about keys of its own, which `wrong_overrides` leaves to it
        raise ConfigError([str(error)]) from error
    allow = frozenset(str(node["_target_"]) for _, node in targets(OmegaConf.to_container(master)))
    folder, name = Path(master.hydra.sweep.dir), master.sweep.name
    if name is None:
        return folder, allow
    if not re.fullmatch(r"\w[\w.-]*", str(name)):
        raise ConfigError([f"sweep.name: should be letters, digits, _, - and dots, is {name!r}"])
    return folder.parent / str(name), allow


def _hydra(words: Sequence[str]) -> None:
    """Hydra's own command line, over our config; what goes wrong is raised as it is."""
    sys.argv = ["leyden", *words]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")(_refuse)()


def _refuse(config: DictConfig) -> None:
    """Stands where Hydra would run a job by itself: with a flag that neither shows something nor asks for a sweep."""
    raise ConfigError([f"{' '.join(sys.argv[1:])}: no such flag here; for --config-dir write hydra.searchpath=[DIR]"])
