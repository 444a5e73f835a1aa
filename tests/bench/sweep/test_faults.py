"""What a sweep does when its jobs, or the sweep itself, are ended in any way; and that it goes on from there."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from commands import FAST, read_json
from typist import Process

from leyden.bench.config.compose import compose
from leyden.bench.run.record import Record, RecordError
from leyden.bench.sweep.job import StoppedError
from leyden.bench.sweep.store import alone_in, run_stored

FAULT = ["+callbacks.fault._target_=faults.Fault", "+callbacks.fault.notes=notes"]
EIGHT_STEPS = [*FAST, "trainer.max_steps=8", "trainer.max_epochs=4", "trainer.limit_train_batches=null"]
WORDS = [*EIGHT_STEPS, *FAULT, "checkpoint.every_n_steps=2", "logger=none"]
"""Jobs of eight steps that note a fault behind the third; without images, which would take most of their time."""


def statuses(sweep: Path) -> dict[str, str]:
    return {file.parent.name: read_json(file)["status"] for file in sorted(sweep.glob("*/status.json"))}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def test_failed_killed_and_lost_jobs_go_on(leyden_here: Callable, tmp_path: Path) -> None:
    words = ["run", "-m", *WORDS, "sweep.name=mine", "experiment=transfer_fonts"]
    done = leyden_here(*words, "+callbacks.fault.kind=none,raise,kill,exit")
    sweep = tmp_path / "outputs" / "sweeps" / "mine"
    names = [f"{number}_transfer_fonts" for number in range(5)]
    assert done.returncode == 1
    assert statuses(sweep) == dict(zip(names, ["done", "failed", "failed", "failed"], strict=False))
    assert "1 of 4 jobs done" in done.stderr
    for number, kind, why, last in (
        (1, "raise", "ValueError: this is what went wrong", "ValueError: this is what went wrong"),
        (2, "kill", "killed by SIGKILL, maybe for lack of memory: try sweep.jobs=1", ""),
        (3, "exit", "the process ended with status 9 before the run had ended", "the last words of a library"),
    ):
        told = f"failed: outputs/sweeps/mine/{names[number]} (callbacks.fault.kind={kind}): {why}\n"
        assert told in done.stderr
        assert f"  | {last}" in done.stderr.partition(told)[2]
    assert len((sweep / "ranking.csv").read_text().splitlines()) == 2
    first = (sweep / names[0] / "status.json").read_bytes()

    done = leyden_here(*words, "+callbacks.fault.kind=nothing,none,kill,exit,raise")
    assert done.returncode == 0, done.stderr
    assert "going on: 1 done, 1 new, 2 killed, 1 failed\n" in done.stdout
    assert statuses(sweep) == dict.fromkeys(names, "done")
    assert (sweep / names[0] / "status.json").read_bytes() == first  # it was not run again
    logs = [(sweep / name / "run.log").read_text() for name in names]
    assert ["going on from" in log for log in logs] == [False, False, True, True, False]
    for name in names[1:]:
        torch.testing.assert_close(weights(sweep / name), weights(sweep / names[0]), rtol=0, atol=0)
    assert len((sweep / "ranking.csv").read_text().splitlines()) == 6


def begin(start_leyden: Callable, folder: Path, waiting: int, *words: str) -> Process:
    """A sweep of which so many jobs wait behind their third step."""
    running = start_leyden("sweep", *WORDS, *words, "sweep.name=mine", OMP_NUM_THREADS="1")
    wait_for(lambda: len(list(folder.glob("notes/*.0"))) == waiting, running)
    return running


def test_killed_sweep_goes_on_bit_for_bit(start_leyden: Callable, leyden_here: Callable, tmp_path: Path) -> None:
    """It cannot see a SIGKILL; its job ends with it, and later ends as the one before, which was left alone."""
    sweep = tmp_path / "outputs" / "sweeps" / "mine"
    running = begin(start_leyden, tmp_path, 1, "+callbacks.fault.kind=none,wait,nothing", "sweep.jobs=1")
    with pytest.raises(RecordError, match=f"another sweep is at work in {sweep}"), alone_in(sweep):
        pass
    running.send_signal(signal.SIGKILL)
    assert running.result().returncode == -signal.SIGKILL
    wait_for(lambda: list(statuses(sweep).values()) == ["done", "interrupted", "pending"])

    done = leyden_here("resume", "outputs/sweeps/mine", OMP_NUM_THREADS="2")
    assert done.returncode == 0, done.stderr
    assert "going on: 1 done, 1 interrupted, 1 new\n" in done.stdout
    assert "3 of 3 jobs done" in done.stderr
    alone, killed, new = (sweep / f"{number}_transfer_fonts" for number in range(3))
    threads = [read_json(folder / "environment.json")["devices"]["threads"] for folder in (alone, killed, new)]
    assert threads == [1, 1, 2]  # what had begun keeps its number
    assert "going on from" in (killed / "run.log").read_text()
    torch.testing.assert_close(weights(killed), weights(alone), rtol=0, atol=0)
    expected, found = (read_json(folder / "metrics.json") for folder in (alone, killed))
    assert {**found, "train_seconds": 0} == {**expected, "train_seconds": 0}


def test_ctrl_c_interrupts_all_jobs(start_leyden: Callable, tmp_path: Path) -> None:
    running = begin(start_leyden, tmp_path, 2, "+callbacks.fault.kind=wait", "sweep.jobs=2", "seed=0,1,2")
    running.send_signal(signal.SIGINT)
    done = running.result()
    assert done.returncode == 130, done.stderr
    assert "`leyden resume outputs/sweeps/mine` goes on\n" in done.stderr
    sweep = tmp_path / "outputs" / "sweeps" / "mine"
    assert list(statuses(sweep).values()) == ["interrupted", "interrupted", "pending"]
    assert not any(Path(f"/proc/{read_json(file)['process']}").exists() for file in sweep.glob("[01]_*/status.json"))


def test_fail_fast_leaves_others_pending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kinds = ["raise", "none", "none"]
    records = [
        Record.create(compose([*WORDS, f"+callbacks.fault.kind={kind}", f"seed={seed}"]), tmp_path / f"{seed}_job")
        for seed, kind in enumerate(kinds)
    ]
    with pytest.raises(StoppedError, match="0_job"):
        run_stored(records, {"jobs": 1, "fail_fast": True})
    assert list(statuses(tmp_path).values()) == ["failed", "pending", "pending"]


def test_ranks_repeat_the_job_not_the_sweep(leyden_here: Callable, tmp_path: Path) -> None:
    done = leyden_here("run", "-m", *FAST, "trainer=ddp_cpu", "seed=4")
    assert done.returncode == 0, done.stderr
    [sweep] = (tmp_path / "outputs" / "sweeps").iterdir()
    assert statuses(sweep) == {"0_transfer_fonts": "done"}
    assert read_json(sweep / "0_transfer_fonts" / "environment.json")["devices"]["count"] == 2
    assert (sweep / "0_transfer_fonts" / "run.rank1.log").is_file()


def wait_for(true: Callable[[], bool], process: Process | None = None) -> None:
    """Waits a minute at most; not if the process that is to make it true has ended."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        assert process is None or not process.ended(), process.result()
        time.sleep(0.05)
