"""Stored jobs that need no training, and no torch in the processes that run them."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leyden.bench.config.compose import compose
from leyden.bench.run.record import Record

SUPPORT = str(Path(__file__).parent)
FAULT = ["+callbacks.fault._target_=faults.Fault", "+callbacks.fault.notes=notes", "+callbacks.fault.step=1"]
STUB = '''
"""Runs without torch, in processes that find this file on their path: what engines do needs no training."""
import os, pathlib, signal, sys, time, types

def run(record):
    (record.folder / f"rank{rank()}").touch()
    if rank():
        return
    kind, again = record.config["callbacks"]["fault"]["kind"], record.folder / "again"
    try:
        record.set_status("running")
        if kind == "raise":
            print("what a library says")
            raise ValueError("this is what went wrong")
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        while kind == "wait" and not again.exists():
            time.sleep(0.05)
    except KeyboardInterrupt:
        record.set_status("interrupted")
        again.touch()
        raise
    except ValueError as error:
        record.set_status("failed", error=str(error))
        (record.folder / "run.log").write_text("the end of the log")
        raise
    record.set_status("done")

def rank():
    return int(os.environ.get("RANK", 0))

sys.modules["leyden.bench.run.run"] = types.SimpleNamespace(run=run, rank=rank)
'''
"""A run that waits until it is interrupted ends at once when it goes on."""


def store(kinds: tuple[str, ...], overrides: tuple[str, ...] = ()) -> list[Record]:
    """Records of jobs that do what ``kinds`` say."""
    jobs = [compose([*FAULT, f"+callbacks.fault.kind={kind}", *overrides]) for kind in kinds]
    return [Record.create(job, Path("jobs", str(number))) for number, job in enumerate(jobs)]


def put_on_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes Python processes that are started from now on run the stub."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(STUB)
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{SUPPORT}")


def statuses(records: list[Record]) -> list[str]:
    return [record.status["status"] for record in records]


def when(true: Callable[[], bool], do: Callable[[], Any] = lambda: None) -> threading.Thread:
    """Waits beside the test, which times out where it never comes true."""

    def wait() -> None:
        while not true():
            time.sleep(0.05)
        do()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread
