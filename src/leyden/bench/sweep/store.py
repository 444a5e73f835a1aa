"""A sweep's jobs: stored before the first starts, found again when the sweep goes on, run, and what they reached."""

import contextlib
import fcntl
import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, OmegaConf

from leyden.bench.config.compose import ConfigError
from leyden.bench.run.record import Record, RecordError
from leyden.bench.sweep.executor import Engine, Pool
from leyden.bench.sweep.plan import Job, Plan
from leyden.bench.sweep.ranking import standing
from leyden.bench.sweep.slurm import refuse_on_cluster

ASIDE = ("sweep", "report", "paths")
"""Parts of a config that do not change what a run learns."""


def launch(
    loader: ConfigLoader, master: DictConfig, words: Sequence[Sequence[str]], first: int, engine: Engine
) -> Sequence[JobReturn]:
    """Composes, checks, stores and runs a batch of jobs, those that are not done already.

    Args:
        loader: Hydra's.
        master: the config of the sweep itself.
        words: of each job.
        first: the number of the first job, if its folder is free.
        engine: what starts the jobs.

    Returns:
        For each job the value that ranks it, for sweepers that optimise it; nan where the job failed.

    Raises:
        ConfigError: with the mistakes of all jobs; nothing is stored or run.
        StoppedError: a job failed and ``sweep.fail_fast`` is set.
        RecordError: one of the jobs is running already.
    """
    plan = Plan(loader, master, words)
    engine.warm_up(job.composed.config for job in plan.jobs)
    plan.check()
    if mistakes := engine.mistakes(job.composed.config for job in plan.jobs):
        raise ConfigError(mistakes)
    settings: Any = OmegaConf.to_container(master.sweep, resolve=True)
    folder = Path(OmegaConf.select(master, "hydra.sweep.dir"))
    records = store(plan.jobs, folder, first)
    run_stored(records, settings, engine)
    return [_returned(job, record) for job, record in zip(plan.jobs, records, strict=True)]


def store(jobs: Sequence[Job], folder: Path, first: int = 0) -> list[Record]:
    """A record for each job: the one in the sweep's folder that has the same config, or a new one."""
    stored = defaultdict(list)
    for record in records_in(folder):
        stored[_essence(record.config)].append(record)
    taken = {record.folder for found in stored.values() for record in found}
    records: list[Record] = []
    number = first
    for job in jobs:
        if same := stored[_essence(job.composed.config)]:
            records.append(Record(same.pop(0).folder, job.composed.allow))
            continue
        while (place := job.folder(number)) in taken:
            number += 1
            if job.folder(number) == place:
                raise ConfigError([f"hydra.sweep.subdir: two jobs would lie in {place}; add ${{hydra.job.num}}"])
        taken.add(place)
        records.append(Record.create(job.composed, place))
        number += 1
    return records


def run_stored(records: Sequence[Record], settings: dict[str, Any], engine: Engine | None = None) -> None:
    """Runs those that are not done: from the last checkpoint, or from the start where the run itself had failed.

    Args:
        records: of the sweep.
        settings: the part ``sweep`` of the config.
        engine: what starts the jobs; by default processes on this machine.

    Raises:
        ConfigError: ``settings`` make no sense.
        RecordError: one is running already.
        StoppedError: a job failed and ``fail_fast`` is set.
    """
    open_jobs = [record for record in records if record.status["status"] != "done"]
    if not open_jobs:
        return
    engine = engine or Pool()
    adopted = engine.adopt(open_jobs)
    others = [record for record in open_jobs if record not in adopted]
    refuse_on_cluster(others)
    for record in others:
        record.refuse_if_running()
    how = engine.prepare(open_jobs, settings["jobs"])
    begun = Counter("running" if record in adopted else _take_up(record) for record in open_jobs)
    done = len(records) - len(open_jobs)
    if done or len(begun) > 1 or "new" not in begun:
        print(f"going on: {', '.join(f'{count} {how}' for how, count in Counter(done=done, **begun).items())}")
    print(f"{len(open_jobs)} jobs, {how}", flush=True)
    engine.run(open_jobs, bool(settings["fail_fast"]))


def _take_up(record: Record) -> str:
    """Makes a job that is not done ready to run, and says what it is: new, interrupted, killed or failed.

    A process that was killed, or ended in another way that the run did not see, goes on from its last checkpoint like
    an interrupted one; where the run itself raised, it would do so again from there.
    """
    status = record.status
    if status["status"] == "failed" and "exit" not in status:
        record.start_again()
        return "failed"
    record.set_status("pending")
    return {"pending": "new", "failed": "killed"}.get(status["status"], "interrupted")


def records_in(folder: Path, allow: Collection[str] = ()) -> list[Record]:
    """Those of a sweep, job 2 before job 10; ``allow`` as for ``Record``."""
    jobs = {file.parent for file in folder.rglob("config.yaml")}
    return [Record(job, allow) for job in sorted(jobs, key=lambda job: (_numbers(job.relative_to(folder)), job))]


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keeps other sweeps out of a folder for as long as this process lives.

    Raises:
        RecordError: another one is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RecordError(
                f"another sweep is at work in {folder}; wait, stop it, or choose another sweep.name"
            ) from error
        yield


def _essence(config: dict[str, Any]) -> str:
    """What of a config decides on what a run learns, as text that is equal where that is."""
    lab = {"lab": config["lab"]["name"]}
    return json.dumps({key: value for key, value in config.items() if key not in ASIDE} | lab, sort_keys=True)


def _numbers(path: Path) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", str(path))]


def _returned(job: Job, record: Record) -> JobReturn:
    result = JobReturn(overrides=job.composed.overrides, status=JobStatus.COMPLETED)
    result.return_value = standing(record).value
    return result
