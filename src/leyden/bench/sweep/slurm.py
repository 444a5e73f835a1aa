"""The executor over Slurm, through submitit: stored jobs as an array, typed on the login node.

A job that is preempted or runs out of its time is queued again and goes on from its last checkpoint. Jobs outlive the
sweep, which only watches them: the same command watches them again.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import FailedJobError
from submitit.helpers import DelayedSubmission

from leyden.bench.config.compose import ConfigError
from leyden.bench.run.record import Record, RecordError
from leyden.bench.sweep.executor import Executor
from leyden.bench.sweep.job import JOB_FILE, Job, StoppedError
from leyden.core.files import write_file
from leyden.core.sweep.resources import devices_of, each, room_for, wants_gpus

SLURMS_OWN = ("partition", "array_parallelism", "setup", "additional_parameters")
"""Parameters that submitit calls ``slurm_...``."""
ARTIFACTS = ".submitit"
"""Folder beside the jobs: what submitit hands to Slurm, and what it says itself."""


@dataclass
class Task(Job):
    """A stored job as one task of Slurm's, or as several that become the ranks of one distributed run."""

    queued_again: bool = False

    def __call__(self) -> int:
        """Runs the job, or this task's rank of it.

        Raises:
            ChildProcessError: it failed as one of several tasks; ``srun`` then ends the others, which would wait.
            SystemExit: it is queued again, and so has no result.
        """
        several = int(os.environ.get("SLURM_NTASKS", "1")) > 1
        rank = os.environ["SLURM_PROCID"] if several else "0"
        if rank == "0":
            code = super().__call__()
        else:  # it needs what Lightning tells the ranks that it starts itself
            record = str(Path(self.place, self.folder))
            os.environ |= {"RANK": rank, "LOCAL_RANK": os.environ["SLURM_LOCALID"], "LEYDEN_RECORD": record}
            code = self.run()
        if self.queued_again:
            raise SystemExit(code)
        if several and code:
            raise ChildProcessError(f"rank {rank} of {self.folder} ended with status {code}")
        return code

    def checkpoint(self) -> DelayedSubmission:
        """What submitit queues again when the job is preempted or out of time: the same job, which then goes on."""
        self.queued_again = True
        return DelayedSubmission(replace(self, queued_again=False))


class Slurm(Executor):
    """An array of Slurm's, or several where jobs need different numbers of nodes or devices.

    A job has a task for each device, as Lightning wants it: every task runs the stored job, as one of its ranks.

    Args:
        cpus_per_task: also the threads of each process.
        gpus_per_node: None: as many as the job's trainer asks for; 0: none is asked for, such as where ``gres`` does.
        max_num_timeout: so many times a job that is out of its time is queued again.
        parameters: the others of ``conf/hydra/launcher/slurm.yaml``, and what else submitit's
            ``AutoExecutor.update_parameters`` takes; None is as if it were not there.

    Raises:
        ConfigError: submitit does not take the parameters, or finds no Slurm.
    """

    def __init__(self, cpus_per_task: int, gpus_per_node: int | None, max_num_timeout: int, **parameters: Any) -> None:
        super().__init__()
        self._gpus_per_node, self._threads, self._max_num_timeout = gpus_per_node, cpus_per_task, max_num_timeout
        self._parallelism = parameters["array_parallelism"]
        given = {f"slurm_{name}" if name in SLURMS_OWN else name: value for name, value in parameters.items()}
        given |= {
            "cpus_per_task": cpus_per_task,
            # srun knows the CPUs of its own words only (since Slurm 22.05), and lets ranks wait for one that failed.
            "slurm_srun_args": [f"--cpus-per-task={cpus_per_task}", "--kill-on-bad-exit=1"],
            "slurm_additional_parameters": {"requeue": True, **(parameters.get("additional_parameters") or {})},
        }
        self._parameters = {name: value for name, value in given.items() if value is not None and value != []}
        self._jobs: dict[Record, Any] = {}
        with tempfile.TemporaryDirectory() as folder:
            try:
                self._submitter(Path(folder))
            except (AssertionError, NameError, RuntimeError, TypeError, ValueError) as error:  # as submitit refuses
                raise ConfigError([f"hydra.launcher: {error}"]) from error

    def _submitter(self, folder: Path) -> submitit.AutoExecutor:
        limit = {"slurm_max_num_timeout": self._max_num_timeout}
        submitter = submitit.AutoExecutor(folder / ARTIFACTS / "%j", cluster="slurm", **limit)
        submitter.update_parameters(**self._parameters)
        return submitter

    def expect(self, configs: Sequence[dict[str, Any]]) -> list[str]:
        """Refuses devices of which there is no number, as Slurm wants to know how many tasks a job has."""
        wrong = dict.fromkeys(str(c["trainer"].get("devices", "auto")) for c in configs if devices_of(c) is None)
        return [f"trainer.devices: {given} is no number, which Slurm needs: add trainer.devices=N" for given in wrong]

    def recover(self, records: Sequence[Record]) -> list[Record]:
        """Jobs that Slurm has from an earlier sweep."""
        self._jobs = _on_cluster(records)
        return list(self._jobs)

    def prepare(self, records: Sequence[Record], at_a_time: int | str) -> str:
        """Says how many jobs may run at a time; dividing the cluster is Slurm's task."""
        self.at_a_time = len(records)
        self._limit = min(self._parallelism, room_for([record.config for record in records], at_a_time))
        return f"{self._limit} at a time if Slurm finds room, {each(self._threads)}"

    def start(self, records: Sequence[Record]) -> None:
        """Queues an array for those that Slurm does not have."""
        arrays = defaultdict(list)
        for record in records:
            if record not in self._jobs:
                config = record.config
                gpus = wants_gpus(config) if self._gpus_per_node is None else self._gpus_per_node
                arrays[config["trainer"].get("num_nodes", 1), devices_of(config) or 1, gpus].append(record)
        for (nodes, tasks, gpus), members in arrays.items():
            folder = members[0].folder.parent
            submitter = self._submitter(folder)
            own = {"name": f"leyden_{folder.name}", "nodes": nodes, "tasks_per_node": tasks}
            gpu = {"gpus_per_node": gpus} if gpus else {}
            submitter.update_parameters(**own, **gpu, slurm_array_parallelism=self._limit)
            try:
                jobs = submitter.submit_array([Task.of(record, self._threads) for record in members])
            except FailedJobError as error:
                raise ConfigError([f"hydra/launcher=slurm: sbatch says {error}"]) from error
            for record, job in zip(members, jobs, strict=True):
                self._jobs[record] = job
                known = {"job_id": job.job_id, "folder": str(submitter.folder), "tasks": list(range(job.num_tasks))}
                write_file(record.folder / JOB_FILE, json.dumps(known))

    def ended(self, seconds: float) -> Iterable[tuple[Record, int, str]]:
        """Jobs of which there is a result, or of which Slurm says so; it is asked every ten minutes at least."""
        time.sleep(max(seconds, len(self._jobs) / 100))  # spares the file server
        for record, job in list(self._jobs.items()):
            if job.task(0).done():
                del self._jobs[record]
                record.folder.chmod(record.folder.stat().st_mode)  # makes NFS look again, as submitit does
                (record.folder / JOB_FILE).unlink(missing_ok=True)
                yield record, -1, f"submitit's process ended before the run did: see {job.task(0).paths.stderr}"

    def give_up(self, error: BaseException) -> None:
        """Leaves the jobs to Slurm, unless one of them has failed and that is to end the others."""
        if isinstance(error, StoppedError):
            super().give_up(error)
        elif self._jobs:
            ends = f"`scancel {' '.join(self._arrays())}` ends them"
            print(f"the jobs go on on the cluster: the same command watches them again, {ends}", file=sys.stderr)

    def stop(self) -> None:
        """Cancels all; those that Slurm kills go on from their last checkpoint when they are taken up again."""
        subprocess.run(["scancel", *self._arrays()], check=False)
        self._jobs.clear()

    def _arrays(self) -> list[str]:
        return list(dict.fromkeys(job.job_id.partition("_")[0] for job in self._jobs.values()))


def refuse_on_cluster(records: Sequence[Record]) -> None:
    """Raises RecordError where Slurm has one of the jobs, queued or running, from an earlier sweep."""
    for record, job in _on_cluster(records).items():
        raise RecordError(
            f"{record.folder} is Slurm's job {job.job_id}: the sweep's own command, with hydra/launcher=slurm, "
            f"watches it, `scancel {job.job_id}` ends it"
        )


def _on_cluster(records: Sequence[Record]) -> dict[Record, submitit.SlurmJob[int]]:
    """Jobs that Slurm has; job files of others are thrown away.

    Raises:
        RecordError: there is no way to ask.
    """
    files = {record: record.folder / JOB_FILE for record in records if (record.folder / JOB_FILE).is_file()}
    if not files:
        return {}
    if shutil.which("sacct") is None:
        record, file = next(iter(files.items()))
        raise RecordError(
            f"{record.folder} was given to Slurm, and this machine has no sacct to ask whether it is still there: "
            f"go on where there is one, or remove {file}"
        )
    jobs: dict[Record, submitit.SlurmJob[int]]
    jobs = {record: submitit.SlurmJob(**json.loads(file.read_text())) for record, file in files.items()}
    there = {record: job for record, job in jobs.items() if not job.task(0).done()}  # the first asks for all
    for record in jobs.keys() - there.keys():
        files[record].unlink()
    return there
