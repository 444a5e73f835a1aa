"""Sweeps: Hydra composes the jobs, each job runs from its stored config in a process of its own; then the report.

A process per job keeps one job's failure, memory and distributed processes from the others (Lightning #11300).
"""

import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import hydra
from hydra import initialize_config_dir
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from leyden.bench.build import build
from leyden.bench.compose import CONF, ConfigError, compose, finish, register, wrong_words
from leyden.bench.record import Record, write
from leyden.report.rows import Run


def wants_hydra(words: list[str]) -> bool:
    """Whether the words ask for a sweep, or for Hydra's own help, info or completion."""
    asked = get_args_parser().parse_args(words)
    flags = (asked.multirun, asked.help, asked.hydra_help, asked.cfg, asked.info is not None)
    return any(flags) or asked.shell_completion or asked.experimental_rerun is not None


def run(words: list[str]) -> int:
    """Gives the words to Hydra; after a sweep says which jobs failed and makes the report that the lab asks for.

    A lab may carry its sweep in ``hydra.sweeper.params``; a word for one of its keys takes the place of its values.

    Raises:
        ConfigError: words that cannot be applied, typed or the lab's own.
        ValueError: what the lab's report asks for is not in the config.
    """
    asked = get_args_parser().parse_args(words)
    register()
    if asked.multirun:
        refuse_mistakes(asked.overrides)
        words = [*words, "+hydra.callbacks.leyden._target_=leyden.bench.sweep.SweepEnd"]
    _complete_behind_verb()
    sys.argv = ["leyden", *words]
    hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")(_job)()
    if SweepEnd.folder is None:
        return 0
    records = _records(SweepEnd.folder)
    failed = [record for record in records if record.status["status"] != "done"]
    for record in failed:
        print(f"{record.status['status']}: {record.folder}: {record.status.get('error', '')}", file=sys.stderr)
    print(f"{len(records) - len(failed)} of {len(records)} jobs done", file=sys.stderr)
    report(SweepEnd.folder)
    return 1 if failed else 0


class SweepEnd(Callback):
    """Hears from Hydra where a sweep lay: jobs may have run in processes whose variables do not come back."""

    folder: ClassVar[Path | None] = None

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Keeps the folder."""
        SweepEnd.folder = Path(config.hydra.sweep.dir).absolute()


def report(folder: Path) -> None:
    """Writes the report that a sweep's first config names into the sweep's folder, and prints it; without one, nothing.

    Args:
        folder: of the sweep; the records in it are what the report is made from, whether their jobs ended well or not.
    """
    records = _records(folder)
    node = records[0].config["report"] if records else None
    if not node:
        return
    runs = [
        Run(config=r.config, metrics=r.metrics if r.status["status"] == "done" else {}, folder=r.folder)
        for r in records
    ]
    files = build(node)(runs)
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
    """Runs one job as a process; returns the best value of the metric that the technique names, for sweepers."""
    settings = HydraConfig.get()
    composed = finish(config, settings.runtime.choices, settings.overrides.task)
    record = Record.create(composed, Path(settings.runtime.output_dir))
    environment = {name: value for name, value in os.environ.items() if name not in ("LOCAL_RANK", "LEYDEN_RECORD")}
    command = [sys.executable, "-m", "leyden", "resume", str(record.folder)]
    code = subprocess.run(command, env=environment, check=False).returncode
    if code != 0 and record.status["status"] in ("pending", "running"):
        record.set_status("failed", error=f"the process ended with status {code}")
    return next((value for name, value in record.metrics.items() if name.startswith("best/")), math.nan)


def refuse_mistakes(typed: list[str]) -> None:
    """Raises where words cannot be applied, or where the report would find after hours that its keys do not exist."""
    if wrong := wrong_words(typed):
        raise ConfigError(wrong.values())
    every, first = _plan(typed)
    if wrong := wrong_words(every):
        raise ConfigError(wrong.values())
    config = compose(first).config
    if config["report"]:
        build(config["report"])([Run(config=config, metrics={}, folder=Path())])


def _plan(typed: list[str]) -> tuple[list[str], list[str]]:
    """The words of a sweep, the lab's own among them unless they were typed otherwise, and those of its first job."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3", job_name="leyden"):
        bench = GlobalHydra.instance().hydra
        assert bench is not None  # it was initialized one line above
        lab = bench.compose_config("config", typed, RunMode.MULTIRUN, with_log_configuration=False)
        own = OmegaConf.select(lab, "hydra.sweeper.params") or {}
        parser = OverridesParser.create(bench.config_loader)  # knows what globs match
        overrides = parser.parse_overrides([*(f"{key}={values}" for key, values in own.items()), *typed])
        last = {override.get_key_element(): override for override in overrides}.values()
        return [str(override.input_line) for override in last], [
            word for override in last if (word := _first(override))
        ]


def _first(override: Override) -> str | None:
    """The word for the first job; None where only the sweeper knows, as with Optuna's intervals, or nothing matches."""
    if not override.is_sweep_override():
        return override.input_line
    values = override.sweep_string_iterator() if override.is_discrete_sweep() else iter(())
    return next((f"{override.get_key_element()}={value}" for value in values), None)


def _records(folder: Path) -> list[Record]:
    """Those of a sweep, job 2 before job 10."""
    jobs = {file.parent for file in folder.rglob("config.yaml")}
    return [Record(job) for job in sorted(jobs, key=lambda job: ([*map(int, re.findall(r"\d+", str(job)))], job))]


def _complete_behind_verb() -> None:
    """Shows Hydra's completion the line without the verb: `leyden run exp<TAB>` as `leyden exp<TAB>`."""
    if "COMP_LINE" in os.environ:
        os.environ["COMP_LINE"] = os.environ["COMP_LINE"].replace(" run ", " ", 1)
