"""What starts the stored jobs of a sweep, and the pool of processes that does so unless another engine is named.

An engine is all that differs between launchers; ``foreign_engines`` has joblib's and Ray's, ``cluster`` submitit's.
Which jobs there are, which of them run, what is shown and what an exit status says is the same for all.
"""

import contextlib
import multiprocessing
import os
import signal
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any, NamedTuple

from leyden.bench.run.record import Record
from leyden.bench.sweep import job as jobs
from leyden.bench.sweep.job import FORKS, PATIENCE, StoppedError, bury, close_book, work
from leyden.bench.sweep.resources import Share, share
from leyden.bench.sweep.status import Watch


class Engine(ABC):
    """Runs the jobs of a batch."""

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
                target=work, args=(str(record.folder), self._share.threads, gpus, ",".join(record.allow))
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


def told(division: Share) -> str:
    """How a machine is divided, in words."""
    return f"{division.jobs} at a time, {threads_each(division.threads)}"


def threads_each(threads: int) -> str:
    """So many threads for each process, in words."""
    return f"{threads} thread{'s' if threads > 1 else ''} each"


@contextlib.contextmanager
def _sigterm_is_ctrl_c() -> Iterator[None]:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
