"""What all executors have in common: they start stored jobs, see them end, and stop them.

An executor is all that differs between launchers. Which jobs there are, which of them run, what is shown and what an
exit status says is the same for all.
"""

import contextlib
import importlib
import signal
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from types import FrameType, ModuleType
from typing import Any

from leyden.bench.config.compose import ConfigError
from leyden.bench.run.record import Record
from leyden.bench.sweep.job import StoppedError
from leyden.bench.sweep.status import Status


class Executor(ABC):
    """Runs the stored jobs of a sweep."""

    at_a_time: int
    """So many jobs are given to ``start``; as many as there are where the executor has a queue of its own."""

    def __init__(self) -> None:
        self._open: dict[Record, float | None] = {}
        self._status = Status([])

    def warm_up(self, configs: Iterable[dict[str, Any]]) -> None:  # noqa: B027  # most have nothing to do
        """Prepares for jobs that may come, while they are still being checked."""

    def mistakes(self, configs: Iterable[dict[str, Any]]) -> list[str]:
        """What of the jobs' configs this executor cannot run, with the cure; asked before anything is stored."""
        return []

    def recover(self, records: Sequence[Record]) -> list[Record]:
        """Jobs that an earlier sweep has left to this executor, and that go on; ``start`` only watches them."""
        return []

    @abstractmethod
    def prepare(self, records: Sequence[Record], at_a_time: int | str) -> str:
        """Divides what there is among jobs that are to run.

        Args:
            records: of the jobs.
            at_a_time: ``sweep.jobs``, a number or auto.

        Returns:
            How, as text.

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
        self._status = Status(records)
        with _sigterm_is_ctrl_c(), self._status:
            try:
                while waiting or self._open:
                    room = min(len(waiting), self.at_a_time - len(self._open))
                    if batch := [waiting.popleft() for _ in range(room)]:
                        self._open.update(dict.fromkeys(batch))
                        self.start(batch)
                    for record in self.ended(self._status.every_seconds):
                        self._end(record)
                        if fail_fast and record.status["status"] != "done":
                            raise StoppedError(f"sweep.fail_fast: {record.folder} ended, so the others were stopped")
                    for record in self._open:
                        self._look(record)
                    self._status.show()
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
            self._status.ended(record, time.monotonic() - began)

    def _begin(self, record: Record) -> None:
        self._open[record] = time.monotonic()
        self._status.started(record)

    def _look(self, record: Record) -> None:
        """Notices that a job has left its queue."""
        if self._open[record] is None and record.status["status"] != "pending":
            self._begin(record)

    def _end(self, record: Record) -> None:
        self._look(record)
        began = self._open.pop(record)
        if record.status["status"] in ("pending", "running"):
            record.set_status("failed", error=self.lost(record), exit=-1)
        self._status.ended(record, 0.0 if began is None else time.monotonic() - began)


def library(name: str, package: str) -> ModuleType:
    """A library that only this executor needs.

    Raises:
        ConfigError: it is not installed; the message has the cure.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        message = f"hydra/launcher: this one needs a package more ({error}): pip install '{package}'"
        raise ConfigError([message]) from error


@contextlib.contextmanager
def _sigterm_is_ctrl_c() -> Iterator[None]:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
