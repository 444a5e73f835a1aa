"""A stored job as a process of its own: one that fails, hangs or is killed harms no other.

A job is `leyden resume FOLDER` in a process whose command line is not the sweep's, so that what Lightning starts for
the other ranks of a distributed job is that job and not the sweep once more (Lightning #11300). The sweep's own pool
forks it: on Linux from a process that has imported everything, and started no thread and no CUDA; elsewhere each
starts anew. Other engines call a ``StoredJob``.
"""

import contextlib
import dataclasses
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from multiprocessing import connection, forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leyden.bench.config.allow_list import ALLOW, targets
from leyden.bench.run.record import Record
from leyden.bench.sweep.status import CONSOLE

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

PATIENCE = 30.0
"""Seconds that jobs have to write down that they were interrupted, before they are killed."""
FORKS = sys.platform == "linux"
STOPS = (signal.SIGINT, signal.SIGTERM)
OF_THE_SWEEP = ("LOCAL_RANK", "LEYDEN_RECORD")
"""Environment variables that would make a job a part of the run that started the sweep."""


class StoppedError(RuntimeError):
    """A job failed, and ``sweep.fail_fast`` says that no other is to run after that."""


@dataclass
class StoredJob:
    """A job for engines whose own threads, processes or nodes look after it: whoever calls it runs it to its end.

    It can be pickled, and called on any machine that sees the same files. Where several tasks of a Slurm job call it
    side by side, each of them becomes a rank of the one distributed run.
    """

    folder: str
    """Of the record, as seen from ``place``."""
    threads: int
    gpus: tuple[str, ...] = ()
    """As CUDA_VISIBLE_DEVICES would name them; empty: those that the engine lets it see."""
    place: str = field(default_factory=os.getcwd)
    """Where relative paths of the config begin."""
    allowed: str = ""
    """What the record's config may name, as ``LEYDEN_ALLOW`` has it."""
    stop: str = ""
    """A file; when it appears, the job is to end."""

    def __post_init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._interrupted = False

    def __call__(self) -> None:
        """Runs the job; its record says afterwards how it went.

        Raises:
            ChildProcessError: it failed as one of several tasks of Slurm, which ends the others.
        """
        record = self._record()
        rank = _slurm_rank()
        with (record.folder / CONSOLE).open("ab") as console:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "leyden.bench.sweep.job", self.folder],
                cwd=self.place,
                env=self._environment(rank),
                stdin=subprocess.PIPE,  # never written to: when it is closed, the job is to end
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a terminal's Ctrl-C is the sweep's business
            )
        if self._interrupted:  # while it was being started
            self.ask_to_end()
        try:
            while (code := self._process.poll()) is None:
                if self.stop and Path(self.stop).exists():
                    raise KeyboardInterrupt
                time.sleep(0.2)  # not wait(), which Ray's way to cancel does not wake
        except BaseException:  # Ctrl-C, a task that Ray or Slurm takes back
            self.interrupt()
            raise
        finally:
            self.kill()
            self._process.wait()
        if not self._interrupted and not rank:
            close_book(record, code)
        if code and rank is not None:  # so that srun ends the others, which would wait for this one
            raise ChildProcessError(_how(code))

    def interrupt(self) -> None:
        """Lets the job write down that it was interrupted, for as long as ``PATIENCE``; one that has ended stays so."""
        self.ask_to_end()
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE)

    def ask_to_end(self) -> None:
        """The same without waiting for it."""
        self._interrupted = True
        if self._record().status["status"] == "pending":  # it has nothing to lose, and may be listening only later
            self.kill()
        elif self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def kill(self) -> None:
        """Ends its process, and whatever it has started, without waiting for it."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def checkpoint(self) -> "DelayedSubmission":
        """What submitit queues again in the place of a job that is preempted or out of time: the same job.

        It goes on from its last checkpoint, because that is what ``leyden resume`` does.
        """
        from submitit.helpers import DelayedSubmission

        self.interrupt()
        return DelayedSubmission(dataclasses.replace(self))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_process": None}

    def _record(self) -> Record:
        return Record(Path(self.place, self.folder))

    def _environment(self, rank: int | None) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if name not in OF_THE_SWEEP}
        environment |= {"OMP_NUM_THREADS": str(self.threads), ALLOW: self.allowed}
        if self.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(self.gpus)
        if rank:  # not 0: what Lightning tells the ranks that it starts itself
            environment |= {"RANK": str(rank), "LOCAL_RANK": os.environ["SLURM_LOCALID"]}
            environment["LEYDEN_RECORD"] = str(Path(self.place, self.folder))
        return environment


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
    return ["leyden.bench.run.run", "leyden.bench.run.summary", *sorted(ours)]


def work(folder: str, threads: int, gpus: list[str], allowed: str) -> None:
    """A job, in its process; ``allowed`` is what its config may name, as ``LEYDEN_ALLOW`` has it."""
    os.setsid()  # a terminal's Ctrl-C is the sweep's business; whatever the job starts can be ended with it
    console = os.open(Path(folder) / CONSOLE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(console, stream)
    for name in OF_THE_SWEEP:
        os.environ.pop(name, None)
    os.environ["OMP_NUM_THREADS"] = str(threads)  # for whatever the job starts
    os.environ[ALLOW] = allowed
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    sweep = multiprocessing.parent_process()
    assert sweep is not None  # this is a child
    sentinel = sweep.sentinel
    _listen(lambda: connection.wait([sentinel]))
    import torch  # only now that it can see no other GPU

    torch.set_num_threads(threads)
    _resume(folder)


def _listen(gone: Callable[[], object]) -> None:
    """Interrupts this process when ``gone`` returns, which waits for the sweep to end, however it goes, or to stop."""

    def wait() -> None:
        gone()
        os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)  # Ray's processes are deaf to them, and so is what they start
    threading.Thread(target=wait, daemon=True).start()


def _resume(folder: str) -> None:
    sys.argv = ["leyden", "resume", folder]  # also what Lightning types for other ranks
    runpy.run_module("leyden", run_name="__main__", alter_sys=True)


def bury(process: BaseProcess) -> int:
    """Ends a job's process, and with it the other ranks and workers that it may have left; its exit status."""
    assert process.pid is not None  # it was started
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.exitcode is None:  # it had no group of its own yet
        process.kill()
    process.join()
    return process.exitcode or 0


def close_book(record: Record, code: int) -> None:
    """Writes down how a job ended that did not say so itself: with this exit status."""
    if record.status["status"] in ("pending", "running"):
        record.set_status("failed", error=_how(code), exit=code)


def _how(code: int) -> str:
    """Why a job ended that did not say so itself."""
    if code >= 0:
        return f"the process ended with status {code} before the run had ended"
    name = signal.Signals(-code).name
    return f"killed by {name}" + (", maybe for lack of memory: try sweep.jobs=1" if name == "SIGKILL" else "")


def _slurm_rank() -> int | None:
    """Which of several tasks this is, where submitit started them; None where there is one."""
    several = os.environ.get("SUBMITIT_EXECUTOR") == "slurm" and int(os.environ.get("SLURM_NTASKS", "1")) > 1
    return int(os.environ["SLURM_PROCID"]) if several else None


if __name__ == "__main__":
    _listen(lambda: os.read(0, 1))  # the end of what never comes: see StoredJob
    _resume(sys.argv[1])
