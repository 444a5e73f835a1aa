"""What all executors have in common: they start stored jobs, see them end, and stop them.

An executor is all that differs between launchers. Which jobs there are, which of them run, what is shown and what an
exit status says is the same for all.
"""

import contextlib
import math
import signal
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from leyden.bench.run.lab import missed
from leyden.bench.run.record import Record
from leyden.bench.sweep.job import CONSOLE, StoppedError, finalize
from leyden.bench.sweep.ranking import result_of, settings
from leyden.report.sweep.ranking import differing, shown
from leyden.report.sweep.status import Status, last_lines


class Executor(ABC):
    """Runs the stored jobs of a sweep."""

    at_a_time: int
    """So many jobs are given to ``start``; as many as there are where the executor has a queue of its own."""
    here = False
    """Whether jobs run on this machine, so that they can be built here before any of them trains."""
    _status: Status

    def __init__(self) -> None:
        self._queued: list[Record] = []
        self._running: list[Record] = []

    def expect(self, configs: Sequence[dict[str, Any]]) -> list[str]:
        """Prepares for jobs that may come; what of their configs it cannot run, with the cure."""
        return []

    def recover(self, records: Sequence[Record]) -> list[Record]:
        """Jobs that an earlier sweep has left to this executor, and that go on; ``start`` only watches them."""
        return []

    @abstractmethod
    def prepare(self, records: Sequence[Record], at_a_time: int | str) -> str:
        """Divides what there is among jobs that are to run, ``sweep.jobs`` at a time; says how.

        Raises:
            ValueError: ``at_a_time`` is neither auto nor a number from 1 on.
        """

    @abstractmethod
    def start(self, records: Sequence[Record]) -> None:
        """Starts jobs, or puts them into a queue."""

    @abstractmethod
    def ended(self, seconds: float) -> Iterable[tuple[Record, int, str]]:
        """Jobs that nothing runs any more, for which it waits so long at most.

        Each with its exit status, and why it ended where it did not write that down itself.
        """

    @abstractmethod
    def stop(self) -> None:
        """Interrupts all jobs, and returns when none is left."""

    def close(self) -> None:  # noqa: B027  # most have nothing to do
        """Ends what ``prepare`` has begun."""

    def run(self, records: Sequence[Record], fail_fast: bool) -> None:
        """Runs pending jobs, whose records say afterwards how they went; ``prepare`` comes first.

        Raises:
            StoppedError: a job failed, ``fail_fast`` is set and the others were stopped.
            KeyboardInterrupt: Ctrl-C or SIGTERM, after all jobs have ended; those that ran are interrupted, those that
                did not are pending.
        """
        waiting = deque(records)
        self._status = Status(_names(records))
        with _sigterm_is_ctrl_c(), self._status:
            try:
                while waiting or self._queued or self._running:
                    room = self.at_a_time - len(self._queued) - len(self._running)
                    if batch := [waiting.popleft() for _ in range(min(len(waiting), room))]:
                        self._queued += batch
                        self.start(batch)
                    for record, code, why in self.ended(self._status.every_seconds):
                        finalize(record, code, why)
                        self._look()
                        self._end(record)
                        if fail_fast and record.status["status"] != "done":
                            raise StoppedError(f"sweep.fail_fast: {record.folder} ended, so the others were stopped")
                    self._look()
                    self._status.show({r.folder: _progress(r) for r in self._running})
            except BaseException as error:
                self.give_up(error)
                raise
            finally:
                self.close()

    def give_up(self, error: BaseException) -> None:
        """Ends all jobs: Lightning finishes what must not be cut, and the records say "interrupted"."""
        self.stop()
        self._look()
        for record in [*self._running]:
            if record.status["status"] == "running":
                record.set_status("interrupted", cure=record.to_resume)
            self._end(record)

    def _look(self) -> None:
        """Notices jobs that have begun to run."""
        for record in [record for record in self._queued if record.status["status"] != "pending"]:
            self._queued.remove(record)
            self._running.append(record)
            self._status.started(record.folder)

    def _end(self, record: Record) -> None:
        """Shows how a job ended; of one that failed the last lines of its own log, or of its process's."""
        self._running.remove(record)
        status, what, lines = record.status, "", []
        if status["status"] == "done":
            result = result_of(record)
            what = f"{result.metric} {result.value:.4g}" if math.isfinite(result.value) else ""
            lines = missed(record)
        elif status["status"] == "failed":
            what = status.get("error", "")
            lines = last_lines(record.folder / (CONSOLE if "exit" in status else "run.log"))
        self._status.ended(record.folder, status["status"], what, lines)


def _names(records: Sequence[Record]) -> dict[Path, str]:
    """What tells each job apart."""
    found = settings(records)
    keys = differing(found) if len(found) > 1 else list(found[0])
    texts = [" ".join(f"{key}={shown(own[key])}" for key in keys) for own in found]
    return {record.folder: text for record, text in zip(records, texts, strict=True)}


def _progress(record: Record) -> str:
    """The last line in which a job said how far it is (``leyden.training.progress``)."""
    lines = [line for line in last_lines(record.folder / CONSOLE, 100) if line.startswith("epoch ")]
    return lines[-1] if lines else "starting"


@contextlib.contextmanager
def _sigterm_is_ctrl_c() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
