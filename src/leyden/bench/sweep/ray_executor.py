"""Engines over other libraries, joblib and Ray; the libraries are imported only where they are asked for."""

import contextlib
import importlib
import logging
import os
import queue
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

from leyden.bench.config.compose import ConfigError
from leyden.bench.run.record import Record
from leyden.bench.sweep.executor import Engine, threads_each, told
from leyden.bench.sweep.job import PATIENCE, StoredJob
from leyden.bench.sweep.resources import share


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
        self._room = threading.Semaphore(self._share.jobs)  # a job gives its place back when its end has been seen
        self.at_a_time = len(records)
        return told(self._share)

    def start(self, records: Sequence[Record]) -> None:
        """Gives them to joblib, which takes them one after the other."""
        parallel = self._joblib.Parallel(self._share.jobs, backend="threading", batch_size=1, pre_dispatch="n_jobs")
        self._thread = threading.Thread(target=parallel, args=(self._jobs(records),), daemon=True)
        self._thread.start()

    def _jobs(self, records: Sequence[Record]) -> Iterator[Any]:
        for record in records:
            self._room.acquire()
            if self._stopping:
                return
            taken = [gpu for job in list(self._running.values()) for gpu in job.gpus]
            gpus = self._share.take(record.config, taken)
            self._running[record] = StoredJob(
                str(record.folder), self._share.threads, tuple(gpus), allowed=",".join(record.allow)
            )
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
            self._room.release()

    def stop(self) -> None:
        """Asks all to end, then kills."""
        self._stopping = True
        self._room.release()  # to who waits for it
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
        before = signal.getsignal(signal.SIGTERM)
        self._ray.init(**(quiet | given))
        signal.signal(signal.SIGTERM, before)  # Ray leaves a handler of its own, for good
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
            self._refs[task.remote(StoredJob(str(record.folder), self._threads, allowed=",".join(record.allow)))] = (
                record
            )

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
