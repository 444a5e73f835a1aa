"""Jobs as tasks of Ray, of its own on this machine."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import FAST
from stubs import FAULT, SUPPORT, put_on_path, statuses, store, when

from leyden.bench.run.record import Record
from leyden.bench.sweep import sweep
from leyden.bench.sweep.ray import Ray
from leyden.bench.sweep.store import run_stored

pytest.importorskip("ray", reason="the extra ray is not installed")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to be in, and a short one for Ray, whose sockets' names must not be long."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", SUPPORT)
    short = tempfile.mkdtemp(prefix="ray")
    monkeypatch.setenv("RAY_TMPDIR", short)
    yield tmp_path
    shutil.rmtree(short, ignore_errors=True)


def test_sweep_is_the_same_with_ray(place: Path, capsys: pytest.CaptureFixture) -> None:
    """Both jobs in one process of Ray's, which imports torch once."""
    settings = ["hydra.launcher.init.num_cpus=1", "+hydra.launcher.remote.max_calls=0"]
    overrides = ["hydra/launcher=ray", *settings, *FAST, *FAULT, "sweep.name=mine"]
    assert sweep.run(["-m", *overrides, "+callbacks.fault.kind=none,raise"]) == 1
    shown = capsys.readouterr()
    done, failed = (Record(Path("outputs", "sweeps", "mine", f"{n}_transfer_fonts")) for n in range(2))
    assert statuses([done, failed]) == ["done", "failed"]
    assert "test/accuracy" in done.metrics
    assert "best/val/accuracy" in (done.folder / "console.log").read_text()
    line = f"failed: {failed.folder} (callbacks.fault.kind=raise): ValueError: this is what went wrong\n"
    assert "  | ValueError: this is what went wrong\n" in shown.err.partition(line)[2]
    assert "1 of 2 jobs done" in shown.err
    before = (done.folder / "status.json").read_bytes()

    shutil.rmtree(failed.folder)
    assert sweep.run(["-m", *overrides, "+callbacks.fault.kind=none"]) == 0
    assert (done.folder / "status.json").read_bytes() == before
    assert "started" not in capsys.readouterr().out


def test_jobs_end_with_the_sweep(place: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    put_on_path(place / "stub", monkeypatch)
    records = store(("wait", "raise"))
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    when(lambda: statuses(records)[0] == "running", lambda: os.kill(os.getpid(), signal.SIGTERM))
    one = {"num_cpus": 1, "num_gpus": None}
    with pytest.raises(KeyboardInterrupt):
        run_stored(records, {"jobs": 1, "fail_fast": False}, Ray({"address": "local", **one}, one))
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert statuses(records) == ["interrupted", "pending"]
    assert records[0].status["process"] != os.getpid()  # it said so itself
    assert "interrupted: jobs/0" in capsys.readouterr().err
