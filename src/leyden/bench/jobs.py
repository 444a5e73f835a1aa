"""Stored jobs as processes of their own, some at a time: one that fails, hangs or is killed harms no other.

A job is `leyden resume FOLDER` in a process whose command line is not the sweep's, so that what Lightning starts for
the other ranks of a distributed job is that job and not the sweep once more (Lightning #11300). On Linux a process
that has imported everything, and started no thread and no CUDA, forks them; elsewhere each starts anew.
"""

import contextlib
import multiprocessing
import os
import runpy
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import connection, forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any

from leyden.bench.record import Record
from leyden.bench.share import Share
from leyden.bench.trust import ALLOW, allowance, targets
from leyden.bench.watch import CONSOLE, Watch

PATIENCE = 30.0
"""Seconds that jobs have to write down that they were interrupted, before they are killed."""
FORKS = sys.platform == "linux"
STOPS = (signal.SIGINT, signal.SIGTERM)


class StoppedError(RuntimeError):
    """A job failed, and ``sweep.fail_fast`` says that no other is to run after that."""


@dataclass
class _Running:
    record: Record
    process: BaseProcess
    gpus: list[str]
    began: float = field(default_factory=time.monotonic)


class Pool:
    """Runs jobs.

    Args:
        share: how many at a time, and what each gets.
        fail_fast: whether the first failure stops the others.
        watch: who shows how far they are.
    """

    def __init__(self, share: Share, fail_fast: bool, watch: Watch) -> None:
        self._share, self._fail_fast, self._watch = share, fail_fast, watch
        self._running: list[_Running] = []
        self._context: Any = multiprocessing.get_context("forkserver" if FORKS else "spawn")

    def run(self, records: Sequence[Record]) -> None:
        """Runs the jobs of all records, which say afterwards how they went.

        Raises:
            StoppedError: a job failed and the others were stopped.
            KeyboardInterrupt: Ctrl-C or SIGTERM, after all jobs have ended; those that ran are interrupted, those that
                did not are pending.
        """
        waiting = deque(records)
        with _sigterm_is_ctrl_c(), self._watch:
            try:
                while waiting or self._running:
                    while waiting and len(self._running) < self._share.jobs:
                        self._start(waiting.popleft())
                    sentinels = [job.process.sentinel for job in self._running]
                    ended = connection.wait(sentinels, timeout=self._watch.every_seconds)
                    for job in [job for job in self._running if job.process.sentinel in ended]:
                        self._end(job)
                    self._watch.look()
            except BaseException:
                self._stop()
                raise

    def _start(self, record: Record) -> None:
        gpus = self._share.take(record.config, [gpu for job in self._running for gpu in job.gpus])
        args = (str(record.folder), self._share.threads, gpus, allowance())
        process = self._context.Process(target=_work, args=args)
        process.start()
        self._running.append(_Running(record, process, gpus))
        self._watch.started(record)

    def _end(self, job: _Running) -> None:
        """Closes the book on a job whose process is gone."""
        code = _bury(job.process)
        self._running.remove(job)
        if job.record.status["status"] in ("pending", "running"):
            job.record.set_status("failed", error=_how(code), exit=code)
        self._watch.ended(job.record, time.monotonic() - job.began)
        if self._fail_fast and job.record.status["status"] != "done":
            raise StoppedError(f"sweep.fail_fast: {job.record.folder} ended, so the others were stopped")

    def _stop(self) -> None:
        """Ends all jobs: Lightning finishes what must not be cut, and the records say "interrupted"."""
        for job in self._running:
            # One that has not begun has nothing to lose, and may not be listening yet.
            begun = job.record.status["status"] != "pending"
            if begun and job.process.pid is not None and job.process.is_alive():
                os.kill(job.process.pid, signal.SIGINT)
            elif not begun:
                job.process.kill()
        with contextlib.suppress(KeyboardInterrupt):  # whoever presses again does not want to wait
            deadline = time.monotonic() + PATIENCE
            for job in self._running:
                job.process.join(max(0.0, deadline - time.monotonic()))
        for job in self._running:
            _bury(job.process)
            if job.record.status["status"] in ("pending", "running"):
                job.record.set_status("interrupted", cure=f"leyden resume {job.record.folder}")
            self._watch.ended(job.record, time.monotonic() - job.began)
        self._running.clear()


def warm_up(configs: Iterable[dict[str, Any]]) -> None:
    """Starts, where there is none, the process that imports what jobs need and then forks them; does not wait for it.

    It lives as long as the sweep.
    """
    if not FORKS:
        return
    forkserver.set_forkserver_preload(preloads(configs))
    given = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"  # libraries that make their threads when they are imported make none
    deaf = {number: signal.signal(number, signal.SIG_IGN) for number in STOPS}  # it stays so: who stops is the sweep
    try:
        forkserver.ensure_running()
    finally:
        for number, before in deaf.items():
            signal.signal(number, before)
        os.environ.pop("OMP_NUM_THREADS") if given is None else os.environ.update(OMP_NUM_THREADS=given)


def preloads(configs: Iterable[dict[str, Any]]) -> list[str]:
    """Modules that the jobs will import; none of the user's own, which might start threads or use a GPU."""
    named = {node["_target_"] for config in configs for _, node in targets(config)}
    ours = {target.rpartition(".")[0] for target in named if target.startswith(("leyden.", "lightning."))}
    return ["leyden.bench.run", "leyden.bench.summary", *sorted(ours)]


def _work(folder: str, threads: int, gpus: list[str], allowed: str) -> None:
    """A job, in its process; ``allowed`` is what the sweep composed or was told to trust."""
    os.setsid()  # a terminal's Ctrl-C is the sweep's business; whatever the job starts can be ended with it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_the_sweep, daemon=True).start()
    console = os.open(Path(folder) / CONSOLE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(console, stream)
    for name in ("LOCAL_RANK", "LEYDEN_RECORD"):
        os.environ.pop(name, None)
    os.environ["OMP_NUM_THREADS"] = str(threads)  # for whatever the job starts
    os.environ[ALLOW] = allowed
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    import torch  # only now that it can see no other GPU

    torch.set_num_threads(threads)
    sys.argv = ["leyden", "resume", folder]  # also what Lightning types for other ranks
    runpy.run_module("leyden", run_name="__main__", alter_sys=True)


def _end_with_the_sweep() -> None:
    """Waits until the sweep's process is gone, however it went, then interrupts the job."""
    sweep = multiprocessing.parent_process()
    assert sweep is not None  # this is a child
    connection.wait([sweep.sentinel])
    os.kill(os.getpid(), signal.SIGINT)


def _bury(process: BaseProcess) -> int:
    """Ends a job's process, and with it the other ranks and workers that it may have left; its exit status."""
    assert process.pid is not None  # it was started
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.exitcode is None:  # it had no group of its own yet
        process.kill()
    process.join()
    return process.exitcode or 0


def _how(code: int) -> str:
    """Why a job ended that did not say so itself."""
    if code >= 0:
        return f"the process ended with status {code} before the run had ended"
    name = signal.Signals(-code).name
    return f"killed by {name}" + (", maybe for lack of memory: try sweep.jobs=1" if name == "SIGKILL" else "")


@contextlib.contextmanager
def _sigterm_is_ctrl_c() -> Iterator[None]:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
