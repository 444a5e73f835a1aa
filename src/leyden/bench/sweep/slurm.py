"""The stored jobs of a sweep through submitit: on a Slurm cluster, or here, to try out what goes there.

On Slurm the jobs are an array. One that is preempted or runs out of its time is queued again and goes on from its last
checkpoint. They outlive the sweep, which only watches them: the same command watches them again.
"""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leyden.bench.config.compose import ConfigError
from leyden.bench.run.record import Record, RecordError, write
from leyden.bench.sweep.executor import Engine, threads_each, told
from leyden.bench.sweep.job import PATIENCE, StoppedError, StoredJob
from leyden.bench.sweep.ray_executor import devices_of, library, room_for
from leyden.bench.sweep.resources import share

if TYPE_CHECKING:
    from submitit import AutoExecutor, Job, SlurmJob

TICKET = "slurm.json"
"""In the folder of a job that Slurm has: its number there, and where submitit keeps its papers."""
PAPERS = ".submitit"
"""Folder beside the jobs: what submitit hands to Slurm, and what it says itself."""


class Submitit(Engine):
    """Each job as a process that one of submitit's looks after.

    Args:
        cluster: submitit's name for it.
        parameters: what submitit's ``AutoExecutor.update_parameters`` takes; None is as if it were not there.

    Raises:
        ConfigError: submitit is not there, does not take the parameters, or finds no such cluster.
    """

    def __init__(self, cluster: str, **parameters: Any) -> None:
        super().__init__()
        self._submitit = library("submitit", "leyden[slurm]")
        self._cluster, self._parameters = cluster, parameters
        self._jobs: dict[Record, Job[None]] = {}
        self._said: dict[Record, Path] = {}
        with tempfile.TemporaryDirectory() as folder:
            try:
                self._executor(Path(folder), **parameters)
            except (AssertionError, NameError, RuntimeError, TypeError, ValueError) as error:  # as submitit refuses
                raise ConfigError([f"hydra.launcher: {error}"]) from error

    def _executor(self, folder: Path, max_num_timeout: int = 0, **parameters: Any) -> "AutoExecutor":
        limit = {} if self._cluster == "debug" else {f"{self._cluster}_max_num_timeout": max_num_timeout}
        executor = self._submitit.AutoExecutor(folder / PAPERS / "%j", cluster=self._cluster, **limit)
        executor.update_parameters(**{name: value for name, value in parameters.items() if value is not None})
        return executor

    def ended(self, seconds: float) -> Iterable[Record]:
        """Those that submitit says are through."""
        time.sleep(seconds)
        for record, job in list(self._jobs.items()):
            if job.task(0).done():
                self._said[record] = job.task(0).paths.stderr
                del self._jobs[record]
                yield record

    def lost(self, record: Record) -> str:
        """Where to look."""
        return f"submitit's process ended before the run did: see {self._said[record]}"


class Local(Submitit):
    """As many at a time as ``sweep.jobs`` says, each by way of the same code as on Slurm, its signals included."""

    def __init__(self, timeout_min: int, max_num_timeout: int, setup: Sequence[str]) -> None:
        super().__init__("local", timeout_min=timeout_min, max_num_timeout=max_num_timeout, local_setup=setup or None)

    def prepare(self, records: Sequence[Record], at_a_time: int | str) -> str:
        """Shares out this machine."""
        self._share = share([record.config for record in records], at_a_time)
        self.at_a_time = self._share.jobs
        self._gpus: dict[Record, list[str]] = {}
        self._stop = (records[0].folder.parent / PAPERS / "stop").absolute()
        self._stop.unlink(missing_ok=True)
        return f"{told(self._share)}, through submitit"

    def start(self, records: Sequence[Record]) -> None:
        """Starts them."""
        for record in records:
            taken = [gpu for other in self._jobs for gpu in self._gpus[other]]
            self._gpus[record] = self._share.take(record.config, taken)
            gpus = tuple(self._gpus[record])
            job = StoredJob(
                str(record.folder), self._share.threads, gpus, allowed=",".join(record.allow), stop=str(self._stop)
            )
            executor = self._executor(record.folder.parent, **self._parameters)
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the sweep's business
            try:
                self._jobs[record] = executor.submit(job)
            finally:
                signal.signal(signal.SIGINT, before)

    def stop(self) -> None:
        """By a file, because submitit kills what does not end within a second of its signal."""
        if self._jobs:
            self._stop.touch()
        deadline = time.monotonic() + PATIENCE
        with contextlib.suppress(KeyboardInterrupt):
            while time.monotonic() < deadline and not all(job.done() for job in self._jobs.values()):
                time.sleep(0.1)
        self._jobs.clear()


class Debug(Local):
    """One after the other, in this process, so that a debugger can see what submitit does."""

    def __init__(self) -> None:
        Submitit.__init__(self, "debug")

    def prepare(self, records: Sequence[Record], at_a_time: int | str) -> str:
        """All of this machine is each job's."""
        return super().prepare(records, 1)

    def stop(self) -> None:
        """Nothing: the one job was in this process."""


class Slurm(Submitit):
    """An array of Slurm's, or several where jobs need different numbers of nodes or devices.

    A job has a task for each device, as Lightning wants it: every task runs the stored job, as one of its ranks.

    Args:
        cpus_per_task: also the threads of each process.
        gpus_per_node: None: as many as the job's trainer asks for; 0: none is asked for, such as where ``gres`` does.
        nodes: None: ``trainer.num_nodes`` of each job.
        tasks_per_node: None: ``trainer.devices`` of each job.
        array_parallelism: jobs at a time; ``sweep.jobs``, where it is a number, may set it lower.
        setup: lines of the batch script before the job.
        additional_parameters: of ``sbatch``.
        parameters: see ``conf/hydra/launcher/submitit_slurm.yaml``.
    """

    def __init__(
        self,
        cpus_per_task: int,
        gpus_per_node: int | None,
        nodes: int | None,
        tasks_per_node: int | None,
        array_parallelism: int,
        partition: str | None,
        setup: Sequence[str],
        additional_parameters: dict[str, Any],
        **parameters: Any,
    ) -> None:
        self._gpus_per_node, self._nodes, self._tasks = gpus_per_node, nodes, tasks_per_node
        self._threads, self._parallelism = cpus_per_task, array_parallelism
        super().__init__(
            "slurm",
            cpus_per_task=cpus_per_task,
            slurm_partition=partition,
            slurm_array_parallelism=array_parallelism,
            slurm_setup=setup or None,
            # srun knows the CPUs of its own words only (since Slurm 22.05), and lets ranks wait for one that failed.
            slurm_srun_args=[f"--cpus-per-task={cpus_per_task}", "--kill-on-bad-exit=1"],
            slurm_additional_parameters={"requeue": True, **additional_parameters},
            **parameters,
        )

    def mistakes(self, configs: Iterable[dict[str, Any]]) -> list[str]:
        """Numbers of nodes and tasks that are none, or not the trainer's."""
        return list(dict.fromkeys(mistake for config in configs for mistake in self._mistakes_of(config)))

    def _mistakes_of(self, config: dict[str, Any]) -> Iterable[str]:
        devices, nodes = devices_of(config), config["trainer"]["num_nodes"]
        if devices is None and self._tasks is None:
            said = config["trainer"]["devices"]
            yield f"trainer.devices: {said} is no number, which Slurm needs: add trainer.devices=N"
        if devices is not None and self._tasks not in (None, devices):
            yield f"hydra.launcher.tasks_per_node: should be trainer.devices, {devices}, is {self._tasks}; leave it out"
        if self._nodes not in (None, nodes):
            yield f"hydra.launcher.nodes: should be trainer.num_nodes, {nodes}, is {self._nodes}; leave it out"

    def adopt(self, records: Sequence[Record]) -> list[Record]:
        """Those that Slurm has from an earlier sweep."""
        self._jobs.update(_on_cluster(records))
        return list(self._jobs)

    def prepare(self, records: Sequence[Record], at_a_time: int | str) -> str:
        """Nothing: Slurm does it."""
        self.at_a_time = len(records)
        self._limit = min(self._parallelism, room_for(records, at_a_time))
        return f"{self._limit} at a time if Slurm finds room, {threads_each(self._threads)}"

    def start(self, records: Sequence[Record]) -> None:
        """Queues an array for those that Slurm does not have."""
        arrays = defaultdict(list)
        for record in records:
            if record not in self._jobs:
                arrays[self._needs(record.config)].append(record)
        for (nodes, tasks, gpus), members in arrays.items():
            folder = members[0].folder.parent
            executor = self._executor(folder, **self._parameters)
            executor.update_parameters(
                name=f"leyden_{folder.name}",
                nodes=nodes,
                tasks_per_node=tasks,
                slurm_array_parallelism=self._limit,
                **({"gpus_per_node": gpus} if gpus else {}),
            )
            try:
                jobs = executor.submit_array(
                    [StoredJob(str(r.folder), self._threads, allowed=",".join(r.allow)) for r in members]
                )
            except self._submitit.core.utils.FailedJobError as error:
                raise ConfigError([f"hydra/launcher=submitit_slurm: sbatch says {error}"]) from error
            for record, job in zip(members, jobs, strict=True):
                self._jobs[record] = job
                ticket = {"job_id": job.job_id, "folder": str(executor.folder), "tasks": list(range(job.num_tasks))}
                write(record.folder / TICKET, json.dumps(ticket))

    def ended(self, seconds: float) -> Iterable[Record]:
        """Those of which there is a result, or of which Slurm says so; it is asked every ten minutes at least."""
        for record in super().ended(max(seconds, len(self._jobs) / 100)):  # spares the file server
            record.folder.chmod(record.folder.stat().st_mode)  # makes NFS look again, as submitit does
            (record.folder / TICKET).unlink(missing_ok=True)
            yield record

    def give_up(self, error: BaseException) -> None:
        """Leaves the jobs to Slurm, unless one of them has failed and that is to end the others."""
        if isinstance(error, StoppedError):
            super().give_up(error)
        elif self._jobs:
            print(
                f"the jobs go on on the cluster: the same command watches them again, "
                f"`scancel {' '.join(self._arrays())}` ends them",
                file=sys.stderr,
            )

    def stop(self) -> None:
        """Cancels all; those that Slurm kills go on from their last checkpoint when they are taken up again."""
        subprocess.run(["scancel", *self._arrays()], check=False)
        self._jobs.clear()

    def _arrays(self) -> list[str]:
        return list(dict.fromkeys(job.job_id.partition("_")[0] for job in self._jobs.values()))

    def _needs(self, config: dict[str, Any]) -> tuple[int, int, int]:
        """Nodes; tasks and GPUs of each."""
        tasks = self._tasks or devices_of(config) or 1
        wants = config["trainer"]["accelerator"] in ("gpu", "cuda")
        gpus = self._gpus_per_node if self._gpus_per_node is not None else (tasks if wants else 0)
        return config["trainer"]["num_nodes"], tasks, gpus


def refuse_on_cluster(records: Sequence[Record]) -> None:
    """Raises RecordError where Slurm has one of the jobs, queued or running, from an earlier sweep."""
    for record, job in _on_cluster(records).items():
        raise RecordError(
            f"{record.folder} is Slurm's job {job.job_id}: the sweep's own command, with "
            f"hydra/launcher=submitit_slurm, watches it, `scancel {job.job_id}` ends it"
        )


def _on_cluster(records: Sequence[Record]) -> dict[Record, "SlurmJob[None]"]:
    """Those that Slurm has; tickets of others are thrown away.

    Raises:
        RecordError: there is no way to ask.
    """
    tickets = {record: record.folder / TICKET for record in records if (record.folder / TICKET).is_file()}
    if not tickets:
        return {}
    if shutil.which("sacct") is None:
        record, ticket = next(iter(tickets.items()))
        raise RecordError(
            f"{record.folder} was given to Slurm, and this machine has no sacct to ask whether it is still there: "
            f"go on where there is one, or remove {ticket}"
        )
    submitit = library("submitit", "leyden[slurm]")
    jobs = {record: submitit.SlurmJob(**json.loads(ticket.read_text())) for record, ticket in tickets.items()}
    there = {record: job for record, job in jobs.items() if not job.task(0).done()}  # the first asks for all
    for record in jobs.keys() - there.keys():
        tickets[record].unlink()
    return there
