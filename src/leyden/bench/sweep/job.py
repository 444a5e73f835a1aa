"""One stored job in a process of its own: ``leyden resume FOLDER``, wherever an executor has put it."""

import os
import runpy
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

from leyden.bench.run.record import Record
from leyden.core.allow_list import ALLOW
from leyden.core.files import console_in

PATIENCE = 30.0
"""Seconds that jobs have to write down that they were interrupted, before they are killed."""
CONSOLE = "console.log"
"""What a job of a sweep would have shown on a terminal; in its folder."""
JOB_FILE = "slurm.json"
"""In the folder of a job that Slurm has: its number there, and where submitit keeps its files."""


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
        for name in ("LOCAL_RANK", "LEYDEN_RECORD"):  # would make it a part of the run that started the sweep
            os.environ.pop(name, None)
        if self.gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(self.gpus)
        with console_in(Path(self.place, self.folder, CONSOLE)):
            code = self.run()
        finalize(Record(self.folder), code, ended_by(code))
        return code

    def run(self) -> int:
        """``leyden resume FOLDER``, typed in this process, which Ctrl-C interrupts; its exit status."""
        os.chdir(self.place)
        os.environ |= {"OMP_NUM_THREADS": str(self.threads), ALLOW: ",".join(self.allowed)}
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


def ended_by(code: int) -> str:
    """Why a process ended, by its exit status, or -N by signal N."""
    if code >= 0:
        return f"the process ended with status {code} before the run had ended"
    name = signal.Signals(-code).name
    return f"killed by {name}" + (", maybe for lack of memory: try sweep.jobs=1" if name == "SIGKILL" else "")


def finalize(record: Record, code: int, why: str) -> None:
    """Writes down how a job ended that did not say so itself."""
    if record.status["status"] in ("pending", "running"):
        record.set_status("failed", error=why, exit=code)
