"""The executor of this machine: each job a process, some at a time; one that fails or is killed harms no other.

On Linux they are forked from a server that has imported everything, and started no thread and no CUDA; elsewhere each
starts anew.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from typing import Any

from leyden.bench.run.record import Record
from leyden.bench.sweep.executor import Executor
from leyden.bench.sweep.job import PATIENCE, Job, ended_by
from leyden.core.allow_list import targets
from leyden.core.sweep.resources import divide, each

FORKS = sys.platform == "linux"


class Pool(Executor):
    """Each job as a process of this machine, ``sweep.jobs`` at a time."""

    here = True

    def __init__(self) -> None:
        super().__init__()
        self._processes: dict[Record, BaseProcess] = {}
        self._gpus: dict[Record, tuple[str, ...]] = {}
        self._context: Any = multiprocessing.get_context("forkserver" if FORKS else "spawn")
        self._warming: threading.Thread | None = None

    def expect(self, configs: Sequence[dict[str, Any]]) -> list[str]:
        """Starts the server, where there is none, beside us who import the same to check the jobs."""
        if FORKS and self._warming is None:
            self._context.set_forkserver_preload(preloads(configs))
            first = self._context.Process(target=_nothing)
            self._warming = threading.Thread(target=first.start, daemon=True)
            self._warming.start()
        return []

    def prepare(self, records: Sequence[Record], at_a_time: int | str) -> str:
        """Divides this machine."""
        configs = [record.config for record in records]
        self.expect(configs)
        self._resources = divide(configs, at_a_time)
        self.at_a_time = self._resources.jobs
        return f"{self.at_a_time} at a time, {each(self._resources.threads)}"

    def start(self, records: Sequence[Record]) -> None:
        """A process for each."""
        if self._warming is not None:
            self._warming.join()
        for record in records:
            taken = [gpu for other in self._processes for gpu in self._gpus[other]]
            self._gpus[record] = self._resources.take(record.config, taken)
            job = Job.of(record, self._resources.threads, self._gpus[record])
            self._processes[record] = self._context.Process(target=_work, args=(job,))
            self._processes[record].start()

    def ended(self, seconds: float) -> Iterable[tuple[Record, int, str]]:
        """Jobs whose processes are gone."""
        records = {process.sentinel: record for record, process in self._processes.items()}
        for sentinel in connection.wait(list(records), timeout=seconds):
            record = records[sentinel]  # type: ignore[index]  # a sentinel is a number here
            code = _kill(self._processes.pop(record))
            yield record, code, ended_by(code)

    def stop(self) -> None:
        """Interrupts by SIGINT, and kills what has not ended within ``PATIENCE``."""
        for record, process in self._processes.items():
            # One that has not begun has nothing to lose, and may not be listening yet.
            if record.status["status"] == "pending":
                process.kill()
            elif process.pid is not None and process.is_alive():
                os.kill(process.pid, signal.SIGINT)
        with contextlib.suppress(KeyboardInterrupt):  # whoever presses again does not want to wait
            deadline = time.monotonic() + PATIENCE
            for process in self._processes.values():
                process.join(max(0.0, deadline - time.monotonic()))
        for process in self._processes.values():
            _kill(process)
        self._processes.clear()


def preloads(configs: Iterable[dict[str, Any]]) -> list[str]:
    """Modules that the jobs will import; none of the user's own, which might start threads or use a GPU."""
    named = {str(node["_target_"]) for config in configs for _, node in targets(config)}
    ours = {target.rpartition(".")[0] for target in named if target.startswith(("leyden.", "lightning."))}
    return ["leyden.bench.sweep.preload", *sorted(ours)]


def _nothing() -> None:
    """What the first process of the server does."""


def _work(job: Job) -> None:
    """A job, in its process, which ends when the sweep does, however that goes."""
    os.setsid()  # a terminal's Ctrl-C is the sweep's business; whatever the job starts can be ended with it
    sweep = multiprocessing.parent_process()
    assert sweep is not None  # this is a child
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_interrupt_at_end_of, args=(sweep.sentinel,), daemon=True).start()
    sys.exit(job())


def _interrupt_at_end_of(sentinel: int) -> None:
    connection.wait([sentinel])
    os.kill(os.getpid(), signal.SIGINT)


def _kill(process: BaseProcess) -> int:
    """Ends a job's process, and with it the other ranks and workers that it may have left; its exit status."""
    assert process.pid is not None  # it was started
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.exitcode is None:  # it had no group of its own yet
        process.kill()
    process.join()
    return process.exitcode or 0
