"""One stored job in a process of its own: ``leyden resume FOLDER``, wherever an executor has put it."""

import contextlib
import os
import runpy
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from leyden.bench.config.allow_list import ALLOW
from leyden.bench.run.record import Record

PATIENCE = 30.0
"""Seconds that jobs have to write down that they were interrupted, before they are killed."""
CONSOLE = "console.log"
"""What a job of a sweep would have shown on a terminal; in its folder."""
OF_THE_SWEEP = ("LOCAL_RANK", "LEYDEN_RECORD")
"""Environment variables that would make a job a part of the run that started the sweep."""


class StoppedError(RuntimeError):
    """A job failed, and ``sweep.fail_fast`` says that no other is to run after that."""


@dataclass
class Job:
    """All that a process must know to become a stored job; picklable, for any machine that sees the same files.

    Args:
        folder: of the record, as seen from ``place``.
        threads: of each of the job's processes.
        gpus: as CUDA_VISIBLE_DEVICES names them; empty: those that the process sees anyway.
        place: where relative paths of the config begin.
        allowed: what the record's config may name (``Record.allow``).
    """

    folder: str
    threads: int
    gpus: tuple[str, ...] = ()
    place: str = field(default_factory=os.getcwd)
    allowed: tuple[str, ...] = ()

    @classmethod
    def of(cls, record: Record, threads: int, gpus: tuple[str, ...] = ()) -> "Job":
        """The job of a record."""
        return cls(str(record.folder), threads, gpus, allowed=tuple(sorted(record.allow)))

    def __call__(self) -> int:
        """Runs the job in this process; returns its exit status, and the record says how it went."""
        os.chdir(self.place)
        for name in OF_THE_SWEEP:
            os.environ.pop(name, None)
        os.environ["OMP_NUM_THREADS"] = str(self.threads)
        if self.gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(self.gpus)
        os.environ[ALLOW] = ",".join(self.allowed)
        with _console(Path(self.folder) / CONSOLE):
            code = self.run()
        finalize(Record(self.folder), code)
        return code

    def run(self) -> int:
        """``leyden resume FOLDER``, typed in this process, which Ctrl-C interrupts; its exit status."""
        if "torch" in sys.modules:  # forked with it; else it reads OMP_NUM_THREADS itself
            import torch

            torch.set_num_threads(self.threads)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv = ["leyden", "resume", self.folder]  # also what Lightning types for other ranks
        try:
            runpy.run_module("leyden", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else int(end.code is not None)
        return 0


@contextlib.contextmanager
def _console(file: Path) -> Iterator[None]:
    """Appends to a file what this process writes to stdout and stderr."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(stream) for stream in (1, 2)]
    console = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(console, stream)
    os.close(console)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for stream, before in zip((1, 2), kept, strict=True):
            os.dup2(before, stream)
            os.close(before)


def finalize(record: Record, code: int) -> None:
    """Writes down how a job ended that did not say so itself: with this exit status, or -N by signal N."""
    if record.status["status"] not in ("pending", "running"):
        return
    why = f"the process ended with status {code} before the run had ended"
    if code < 0:
        name = signal.Signals(-code).name
        why = f"killed by {name}" + (", maybe for lack of memory: try sweep.jobs=1" if name == "SIGKILL" else "")
    record.set_status("failed", error=why, exit=code)
