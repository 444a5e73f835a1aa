"""Sweeps: Hydra's sweeper names the jobs, our launcher stores and runs them; then ranking and report."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import hydra
from hydra import initialize_config_dir
from hydra._internal.hydra import Hydra
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from leyden.bench.config.allow_list import ALLOW
from leyden.bench.config.compose import ConfigError, compose, finish
from leyden.bench.config.groups import CONF
from leyden.bench.config.instantiate import build
from leyden.bench.config.overrides import wrong_overrides
from leyden.bench.run.record import Record, write
from leyden.bench.sweep.job import StoppedError
from leyden.bench.sweep.ranking import rank, standing
from leyden.bench.sweep.store import alone_in, records_in, run_stored
from leyden.core.files import clear_leftovers
from leyden.report.runs import Run

_QUOTED = str.maketrans({"'": "\\'", "\\": "\\\\"})
"""What a quoted word of Hydra needs before these two."""


def wants_hydra(words: list[str]) -> bool:
    """Whether the words ask for a sweep, or for Hydra's own help, info or completion."""
    asked = get_args_parser().parse_args(words)
    flags = (asked.multirun, asked.help, asked.hydra_help, asked.cfg, asked.info is not None)
    return any(flags) or asked.shell_completion or asked.experimental_rerun is not None


def run(words: list[str]) -> int:
    """Gives the words to Hydra; after a sweep says which jobs are not done, ranks them and makes the lab's report.

    A lab may carry its sweep in ``hydra.sweeper.params``; a word for one of its keys takes the place of its values.

    Raises:
        ConfigError: words that cannot be applied, typed or the lab's own; or what is wrong with the jobs.
        ValueError: what the lab's report asks for is not in the config.
        RecordError: another sweep is at work in the folder.
    """
    asked = get_args_parser().parse_args(words)
    shown = asked.help or asked.hydra_help or asked.cfg or asked.info is not None
    if asked.multirun and not shown:
        return _sweep(asked.overrides)
    _complete_behind_verb()
    sys.argv = ["leyden", *(word for word in words if word not in ("-m", "--multirun"))]
    hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")(_job)()
    return 0


def resume(folder: Path, allow: Collection[str] = ()) -> int:
    """Goes on with the jobs that are stored in a sweep's folder; composes none."""
    with alone_in(folder):
        records = records_in(folder, allow)
        settings = records[0].config.get("sweep") or {"jobs": "auto", "fail_fast": False}
        return _to_the_end(folder, lambda: _run_again(folder, records, settings), allow)


def _run_again(folder: Path, records: list[Record], settings: dict[str, Any]) -> None:
    run_stored(records, settings)
    if "pruning" in (records[0].config["callbacks"] or {}):
        from leyden.bench.search.study import conclude  # here, because it brings Optuna

        conclude(folder)


def _sweep(words: list[str]) -> int:
    allow = refuse_mistakes(words)
    with _hydra() as bench:
        master = bench.compose_config("config", words, RunMode.MULTIRUN, with_log_configuration=False)
        folder = Path(master.hydra.sweep.dir)
        if name := master.sweep.name:
            folder = _named(folder.parent, name)
        new = not folder.exists()
        with alone_in(folder):
            # The time in the folder's name must not be taken twice.
            words = [*words, f"hydra.sweep.dir='{str(folder).translate(_QUOTED)}'", "hydra.mode=MULTIRUN"]
            try:
                multirun = partial(bench.multirun, "config", _job, words, with_log_configuration=False)
                return _to_the_end(folder, multirun, allow)
            except ValueError:
                if new and not records_in(folder):
                    shutil.rmtree(folder)
                raise


def _to_the_end(folder: Path, do: Callable[[], Any], allow: Collection[str]) -> int:
    """Runs jobs, then says how the sweep in ``folder`` ended; the exit status."""
    try:
        do()
    except StoppedError as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        print(f"`leyden resume {folder}` goes on", file=sys.stderr)
        raise
    clear_leftovers(folder)
    records = records_in(folder)
    unfinished = [record for record in records if record.status["status"] != "done"]
    for record in unfinished:
        print(f"{record.status['status']}: {record.folder}: {record.status.get('error', '')}", file=sys.stderr)
    print(f"{len(records) - len(unfinished)} of {len(records)} jobs done", file=sys.stderr)
    if len(records) > 1 and (table := rank(folder, records)):
        print(f"{table}\nranking: {folder / 'ranking.md'}")
    report(folder, allow)
    return 1 if unfinished else 0


def _named(parent: Path, name: str) -> Path:
    """The folder of ``sweep.name``."""
    if not re.fullmatch(r"\w[\w.-]*", str(name)):
        raise ConfigError([f"sweep.name: should be letters, digits, _, - and dots, is {name!r}"])
    return parent / str(name)


def report(folder: Path, allow: Collection[str] = ()) -> None:
    """Writes the report that a sweep's first config names into the sweep's folder, and prints it; without one, nothing.

    Args:
        folder: of the sweep; the records in it are what the report is made from, whether their jobs ended well or not.
        allow: what its config may name besides known classes.
    """
    records = records_in(folder, allow)
    node = records[0].config["report"] if records else None
    if not node:
        return
    runs = [
        Run(config=r.config, metrics=r.metrics if r.status["status"] == "done" else {}, folder=r.folder)
        for r in records
    ]
    files = build(node, records[0].allow)(runs)
    from torchvision.io import encode_png  # here, because it brings torch, which help and completion do without

    for name, content in files.items():
        if isinstance(content, str):
            write(folder / name, content)
            if name.endswith(".md"):
                print(content)
        else:
            write(folder / name, encode_png(content).numpy().tobytes())
    print("report:", *(folder / name for name in files), sep="\n  ")


def _job(config: DictConfig) -> float:
    """Runs one job as a process, for launchers other than our own; returns the value that ranks it."""
    settings = HydraConfig.get()
    composed = finish(config, settings.runtime.choices, settings.overrides.task)
    record = Record.create(composed, Path(settings.runtime.output_dir))
    environment = {name: value for name, value in os.environ.items() if name not in ("LOCAL_RANK", "LEYDEN_RECORD")}
    environment[ALLOW] = ",".join(record.allow)
    command = [sys.executable, "-m", "leyden", "resume", str(record.folder)]
    code = subprocess.run(command, env=environment, check=False).returncode
    if code != 0 and record.status["status"] in ("pending", "running"):
        record.set_status("failed", error=f"the process ended with status {code}", exit=code)
    return standing(record).value


def refuse_mistakes(typed: list[str]) -> frozenset[str]:
    """Raises where words cannot be applied, or where the report would find after hours that its keys do not exist.

    Returns:
        the classes that the first job's config names.
    """
    if wrong := wrong_overrides(typed):
        raise ConfigError(wrong.values())
    every, first = _plan(typed)
    if wrong := wrong_overrides(every):
        raise ConfigError(wrong.values())
    composed = compose(first)
    config = composed.config
    if config["report"]:
        build(config["report"], composed.allow)([Run(config=config, metrics={}, folder=Path())])
    return composed.allow


def _plan(typed: list[str]) -> tuple[list[str], list[str]]:
    """The words of a sweep, the lab's own among them unless they were typed otherwise, and those of its first job."""
    with _hydra() as bench:
        lab = bench.compose_config("config", typed, RunMode.MULTIRUN, with_log_configuration=False)
        own = OmegaConf.select(lab, "hydra.sweeper.params") or {}
        parser = OverridesParser.create(bench.config_loader)  # knows what globs match
        overrides = parser.parse_overrides([*(f"{key}={values}" for key, values in own.items()), *typed])
        last = {override.get_key_element(): override for override in overrides}.values()
        if lab.hydra.runtime.choices["hydra/sweeper"] == "grid":
            _refuse_intervals(last)
        return [str(override.input_line) for override in last], [
            word for override in last if (word := _first(override))
        ]


def _refuse_intervals(overrides: Iterable[Override]) -> None:
    wrong = [o.input_line for o in overrides if o.is_sweep_override() and not o.is_discrete_sweep()]
    if wrong:
        raise ConfigError(f"{word}: a grid has no intervals; hydra/sweeper=optuna chooses from them" for word in wrong)


def _first(override: Override) -> str | None:
    """The word for the first job; None where only the sweeper knows, as with Optuna's intervals, or nothing matches."""
    if not override.is_sweep_override():
        return override.input_line
    values = override.sweep_string_iterator() if override.is_discrete_sweep() else iter(())
    return next((f"{override.get_key_element()}={value}" for value in values), None)


@contextlib.contextmanager
def _hydra() -> Iterator[Hydra]:
    """Hydra itself over our config, without its own way to show errors."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3", job_name="leyden"):
        bench = GlobalHydra.instance().hydra
        assert bench is not None  # it was initialized one line above
        yield bench


def _complete_behind_verb() -> None:
    """Shows Hydra's completion the line without the verb: `leyden run exp<TAB>` as `leyden exp<TAB>`."""
    if "COMP_LINE" in os.environ:
        os.environ["COMP_LINE"] = os.environ["COMP_LINE"].replace(" run ", " ", 1)
