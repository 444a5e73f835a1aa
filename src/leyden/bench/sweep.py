"""Sweeps: Hydra composes the jobs, each job runs from its stored config in a process of its own.

A process per job keeps one job's failure, memory and distributed processes from the others (Lightning #11300).
"""

import math
import os
import subprocess
import sys
from pathlib import Path

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from leyden.bench.compose import CONF, ConfigError, finish, register, wrong_words
from leyden.bench.record import Record


def wants_hydra(words: list[str]) -> bool:
    """Whether the words ask for a sweep, or for Hydra's own help, info or completion."""
    asked = get_args_parser().parse_args(words)
    flags = (asked.multirun, asked.help, asked.hydra_help, asked.cfg, asked.info is not None)
    return any(flags) or asked.shell_completion or asked.experimental_rerun is not None


def run(words: list[str]) -> int:
    """Gives the words to Hydra; after a sweep says which jobs failed."""
    asked = get_args_parser().parse_args(words)
    if asked.multirun and (wrong := wrong_words(asked.overrides)):
        raise ConfigError(wrong.values())
    register()
    jobs: list[Record] = []

    def job(config: DictConfig) -> float:
        settings = HydraConfig.get()
        composed = finish(config, settings.runtime.choices, settings.overrides.task)
        record = Record.create(composed, Path(settings.runtime.output_dir))
        jobs.append(record)
        return _run_job(record)

    _complete_behind_verb()
    sys.argv = ["leyden", *words]
    hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")(job)()
    failed = [record for record in jobs if record.status["status"] != "done"]
    for record in failed:
        print(f"{record.status['status']}: {record.folder}: {record.status.get('error', '')}", file=sys.stderr)
    if asked.multirun:
        print(f"{len(jobs) - len(failed)} of {len(jobs)} jobs done", file=sys.stderr)
    return 1 if failed else 0


def _run_job(record: Record) -> float:
    """Runs one job as a process; returns the best value of the metric that the technique names, for sweepers."""
    environment = {name: value for name, value in os.environ.items() if name not in ("LOCAL_RANK", "LEYDEN_RECORD")}
    command = [sys.executable, "-m", "leyden", "resume", str(record.folder)]
    code = subprocess.run(command, env=environment, check=False).returncode
    if code != 0 and record.status["status"] in ("pending", "running"):
        record.set_status("failed", error=f"the process ended with status {code}")
    return next((value for name, value in record.metrics.items() if name.startswith("best/")), math.nan)


def _complete_behind_verb() -> None:
    """Shows Hydra's completion the line without the verb: `leyden run exp<TAB>` as `leyden exp<TAB>`."""
    if "COMP_LINE" in os.environ:
        os.environ["COMP_LINE"] = os.environ["COMP_LINE"].replace(" run ", " ", 1)
