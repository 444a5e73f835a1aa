"""What starts the stored jobs of a sweep: processes of its own, joblib, Ray; ``leyden.bench.cluster`` has submitit's.

An engine is all that differs between launchers. Which jobs there are, which of them run, what is shown and what an
exit status says is the same for all.
"""

import contextlib
import importlib
import logging
import multiprocessing
import os
import queue
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from types import FrameType, ModuleType
from typing import Any, NamedTuple

from leyden.bench import jobs
from leyden.bench.compose import ConfigError
from leyden.bench.jobs import FORKS, PATIENCE, StoppedError, StoredJob, bury, close_book, work
from leyden.bench.record import Record
from leyden.bench.share import Share, share
from leyden.bench.trust import allowance
from leyden.bench.watch import Watch


class Engine(ABC):
    """Runs jobs; one object serves all batches of a sweep, one after the other."""

    at_a_time: int
    """So many jobs are given to ``start``; as many as there are where the engine has a queue of its own."""

    def __init__(self) -> None:
        self._open: dict[Record, float | None] = {}
        self._watch = Watch([])

    def warm_up(self, configs: Iterable[dict[str, Any]]) -> None:  # noqa: B027  # most have nothing to do
        """Is told which jobs may come, while they are still being checked."""

    def mistakes(self, configs: Iterable[dict[str, Any]]) -> list[str]:
        """What of the jobs' configs this engine cannot run, with the cure; asked before anything is stored."""
        return []

    def adopt(self, records: Sequence[Record]) -> list[Record]:
        """Those that an earlier sweep has left to this engine, and that go on; ``start`` only watches them."""
        return []

    @abstractmethod
    def prepare(self, records: Sequence[Record], at_a_time: int | str) -> str:
        """Divides what there is among jobs that are to run.

        Args:
            records: of the jobs.
            at_a_time: ``sweep.jobs``, a number or auto.

        Returns:
            How, in words.

        Raises:
            ConfigError: ``at_a_time`` is neither.
        """

    @abstractmethod
    def start(self, records: Sequence[Record]) -> None:
        """Starts jobs, or puts them into a queue."""

    @abstractmethod
    def ended(self, seconds: float) -> Iterable[Record]:
        """Jobs that nothing runs any more, for which it waits so long at most."""

    @abstractmethod
    def stop(self) -> None:
        """Interrupts all jobs, and returns when none is left."""

    def lost(self, record: Record) -> str:
        """Why a job may have ended of which the record does not say it."""
        return "what looked after it is gone"

    def close(self) -> None:  # noqa: B027  # most have nothing to do
        """Ends what ``prepare`` has begun."""

    def run(self, records: Sequence[Record], fail_fast: bool) -> None:
        """Runs the jobs of all records, which say afterwards how they went; ``prepare`` comes first.

        Args:
            records: pending.
            fail_fast: whether the first failure stops the others.

        Raises:
            StoppedError: a job failed and the others were stopped.
            KeyboardInterrupt: Ctrl-C or SIGTERM, after all jobs have ended; those that ran are interrupted, those that
                did not are pending.
        """
        waiting = deque(records)
        self._watch = Watch(records)
        with _sigterm_is_ctrl_c(), self._watch:
            try:
                while waiting or self._open:
                    room = min(len(waiting), self.at_a_time - len(self._open))
                    if batch := [waiting.popleft() for _ in range(room)]:
                        self._open.update(dict.fromkeys(batch))
                        self.start(batch)
                    for record in self.ended(self._watch.every_seconds):
                        self._end(record)
                        if fail_fast and record.status["status"] != "done":
                            raise StoppedError(f"sweep.fail_fast: {record.folder} ended, so the others were stopped")
                    for record in self._open:
                        self._look(record)
                    self._watch.look()
            except BaseException as error:
                self.give_up(error)
                raise
            finally:
                self._open.clear()
                self.close()

    def give_up(self, error: BaseException) -> None:
        """Ends all jobs: Lightning finishes what must not be cut, and the records say "interrupted"."""
        self.stop()
        for record in self._open:
            self._look(record)
            began = self._open[record]
            if began is None:
                continue
            if record.status["status"] in ("pending", "running"):
                record.set_status("interrupted", cure=f"leyden resume {record.folder}")
            self._watch.ended(record, time.monotonic() - began)

    def _begin(self, record: Record) -> None:
        self._open[record] = time.monotonic()
        self._watch.started(record)

    def _look(self, record: Record) -> None:
        """Notices that a job has left its queue."""
        if self._open[record] is None and record.status["status"] != "pending":
            self._begin(record)

    def _end(self, record: Record) -> None:
        self._look(record)
        began = self._open.pop(record)
        if record.status["status"] in ("pending", "running"):
            record.set_status("failed", error=self.lost(record), exit=-1)
        self._watch.ended(record, 0.0 if began is None else time.monotonic() - began)


class _Running(NamedTuple):
    process: BaseProcess
    gpus: list[str]


class Pool(Engine):
    """Each job as a process that this one forks, some at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._running: dict[Record, _Running] = {}
        self._context: Any = multiprocessing.get_context("forkserver" if FORKS else "spawn")

    def warm_up(self, configs: Iterable[dict[str, Any]]) -> None:
        """Has what the jobs need imported beside us, who import the same to check them."""
        jobs.warm_up(configs)

    def prepare(self, records: Sequence[Record], at_a_time: int | str) -> str:
        """Shares out this machine."""
        configs = [record.config for record in records]
        self.warm_up(configs)
        self._share = share(configs, at_a_time)
        self.at_a_time = self._share.jobs
        return told(self._share)

    def start(self, records: Sequence[Record]) -> None:
        """Forks."""
        for record in records:
            gpus = self._share.take(record.config, [gpu for job in self._running.values() for gpu in job.gpus])
            process = self._context.Process(
                target=work, args=(str(record.folder), self._share.threads, gpus, allowance())
            )
            process.start()
            self._running[record] = _Running(process, gpus)
            self._begin(record)

    def ended(self, seconds: float) -> Iterable[Record]:
        """Those whose processes are gone."""
        gone = connection.wait([job.process.sentinel for job in self._running.values()], timeout=seconds)
        for record, job in list(self._running.items()):
            if job.process.sentinel in gone:
                del self._running[record]
                close_book(record, bury(job.process))
                yield record

    def stop(self) -> None:
        """By SIGINT."""
        for record, (process, _) in self._running.items():
            # One that has not begun has nothing to lose, and may not be listening yet.
            begun = record.status["status"] != "pending"
            if begun and process.pid is not None and process.is_alive():
                os.kill(process.pid, signal.SIGINT)
            elif not begun:
                process.kill()
        with contextlib.suppress(KeyboardInterrupt):  # whoever presses again does not want to wait
            deadline = time.monotonic() + PATIENCE
            for process, _ in self._running.values():
                process.join(max(0.0, deadline - time.monotonic()))
        for process, _ in self._running.values():
            bury(process)
        self._running.clear()


class Joblib(Engine):
    """Each job as a process that a thread of joblib looks after.

    Threads, because a job is a process of its own as it is; another backend of joblib's would add a second one.

    Args:
        n_jobs: at a time, as joblib counts: -1 is one per core; None: as ``sweep.jobs`` says.
    """

    def __init__(self, n_jobs: int | None) -> None:
        super().__init__()
        self._joblib = library("joblib", "scikit-learn")
        if n_jobs == 0 or not (n_jobs is None or isinstance(n_jobs, int)):
            raise ConfigError([f"hydra.launcher.n_jobs: should be a number other than 0, or null, is {n_jobs!r}"])
        self._n_jobs = n_jobs
        self._running: dict[Record, StoredJob] = {}
        self._ended: queue.SimpleQueue[Record] = queue.SimpleQueue()
        self._thread = threading.Thread()
        self._stopping = False

    def prepare(self, records: Sequence[Record], at_a_time: int | str) -> str:
        """Shares out this machine."""
        wanted = at_a_time if self._n_jobs is None else self._joblib.effective_n_jobs(self._n_jobs)
        self._share = share([record.config for record in records], wanted)
        self.at_a_time = len(records)
        return told(self._share)

    def start(self, records: Sequence[Record]) -> None:
        """Gives them to joblib, which takes them one after the other."""
        parallel = self._joblib.Parallel(self._share.jobs, backend="threading", batch_size=1, pre_dispatch="n_jobs")
        self._thread = threading.Thread(target=parallel, args=(self._jobs(records),), daemon=True)
        self._thread.start()

    def _jobs(self, records: Sequence[Record]) -> Iterator[Any]:
        for record in records:
            if self._stopping:
                return
            taken = [gpu for job in list(self._running.values()) for gpu in job.gpus]
            gpus = self._share.take(record.config, taken)
            self._running[record] = StoredJob(str(record.folder), self._share.threads, tuple(gpus))
            yield self._joblib.delayed(self._look_after)(record)

    def _look_after(self, record: Record) -> None:
        try:
            self._running[record]()
        except OSError as error:  # no process could be started; joblib would drop all other jobs
            record.set_status("failed", error=str(error), exit=1)
        finally:
            del self._running[record]
            self._ended.put(record)

    def ended(self, seconds: float) -> Iterable[Record]:
        """Those whose threads are through."""
        with contextlib.suppress(queue.Empty):
            yield self._ended.get(timeout=seconds)

    def stop(self) -> None:
        """Asks all to end, then kills."""
        self._stopping = True
        running = list(self._running.values())
        for job in running:
            job.ask_to_end()
        with contextlib.suppress(KeyboardInterrupt):
            self._thread.join(PATIENCE)
        for job in running:
            job.kill()
        self._thread.join()


class Ray(Engine):
    """Each job as a process that a task of Ray looks after: here, or on a cluster that sees the same files.

    Args:
        init: what ``ray.init`` takes, with null for Ray's own choice.
        remote: what ``ray.remote`` takes; ``num_gpus: null`` is as many as the job's trainer asks for.
    """

    def __init__(self, init: Mapping[str, Any], remote: Mapping[str, Any]) -> None:
        super().__init__()
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        self._ray = library("ray", "leyden[ray]")
        self._init, self._remote = init, dict(remote)
        self._refs: dict[Any, Record] = {}

    def prepare(self, records: Sequence[Record], at_a_time: int | str) -> str:
        """Connects to a Ray, or starts one; how much of it a job needs is in ``remote``."""
        self.at_a_time = room_for(records, at_a_time)
        given = {name: value for name, value in self._init.items() if value is not None}
        quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
        self._ray.init(**(quiet | given))
        return f"as Ray finds room, {threads_each(self._threads)}"

    @property
    def _threads(self) -> int:
        return max(1, int(self._remote.get("num_cpus") or 1))

    def start(self, records: Sequence[Record]) -> None:
        """Queues tasks."""
        for record in records:
            options = {name: value for name, value in self._remote.items() if value is not None}
            options.setdefault("num_gpus", gpus_of(record.config))
            task = self._ray.remote(**options)(_call)
            self._refs[task.remote(StoredJob(str(record.folder), self._threads))] = record

    def ended(self, seconds: float) -> Iterable[Record]:
        """Those whose tasks are through, or lost with their nodes more often than Ray tries again."""
        through, _ = self._ray.wait(list(self._refs), timeout=seconds)
        for ref in through:
            record = self._refs.pop(ref)
            try:
                self._ray.get(ref)
            except self._ray.exceptions.RayError as error:
                if record.status["status"] in ("pending", "running"):
                    record.set_status("failed", error=str(error).strip().splitlines()[-1], exit=-1)
            yield record

    def stop(self) -> None:
        """Cancels all tasks, which then interrupt their jobs."""
        for ref in self._refs:
            self._ray.cancel(ref)
        with contextlib.suppress(KeyboardInterrupt):
            self._ray.wait(list(self._refs), num_returns=len(self._refs), timeout=PATIENCE)
        self._refs.clear()

    def close(self) -> None:
        """Leaves the Ray; one that was started here ends."""
        self._ray.shutdown()


def _call(job: StoredJob) -> None:
    job()


def library(name: str, package: str) -> ModuleType:
    """A library that only this launcher needs.

    Raises:
        ConfigError: it is not installed; the message has the cure.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        message = f"hydra/launcher: this one needs a package more ({error}): pip install '{package}'"
        raise ConfigError([message]) from error


def room_for(records: Sequence[Record], at_a_time: int | str) -> int:
    """How many jobs go into a queue at once, where something else decides how many of them can run."""
    return len(records) if at_a_time == "auto" else share([record.config for record in records], at_a_time).jobs


def told(division: Share) -> str:
    """How a machine is divided, in words."""
    return f"{division.jobs} at a time, {threads_each(division.threads)}"


def threads_each(threads: int) -> str:
    """So many threads for each process, in words."""
    return f"{threads} thread{'s' if threads > 1 else ''} each"


def gpus_of(config: dict[str, Any]) -> int:
    """How many GPUs a job wants on each of its machines, as far as its trainer says a number."""
    trainer = config["trainer"]
    return (devices_of(config) or 0) if trainer["accelerator"] in ("gpu", "cuda") else 0


def devices_of(config: dict[str, Any]) -> int | None:
    """How many processes a job has on each of its machines; None where that depends on the machine."""
    devices = config["trainer"]["devices"]
    if isinstance(devices, list):
        return len(devices)
    return devices if isinstance(devices, int) and devices > 0 else None


@contextlib.contextmanager
def _sigterm_is_ctrl_c() -> Iterator[None]:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
