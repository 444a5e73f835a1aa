"""Fifty times SIGKILL at moments that nobody chose: whatever is killed goes on and ends as if nothing had happened."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from commands import read_json
from undisturbed import SMALL, assert_same

from leyden.bench.config.compose import compose
from leyden.bench.run.record import Record

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(1800)]

LENGTH = ["trainer.check_val_every_n_epoch=1", "trainer.max_epochs=12", "checkpoint.every_n_steps=3"]
KILLS_OF_A_RUN, KILLS_OF_A_SWEEP = 13, 12  # 3 x 13 + 12 = 51
PATIENCE = 120.0


def start(*words: str, folder: Path) -> subprocess.Popen:
    """A `leyden` command; one thread, because the number of threads decides on last bits."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "console.txt").open("ab") as console:
        return subprocess.Popen(
            [sys.executable, "-m", "leyden", *words],
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=console,
            stderr=console,
        )


def wait_for(condition: Callable[[], bool], process: subprocess.Popen) -> bool:
    """Whether it came true before the process ended."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None:
        if condition():
            return True
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return False


def assert_honest(folder: Path) -> None:
    """No record claims what it has not, and no file under its own name is half of one."""
    status = read_json(folder / "status.json")["status"]
    assert status in ("pending", "running", "interrupted", "failed", "done")
    metrics = folder / "metrics.json"
    assert not metrics.exists() or read_json(metrics)["steps"] > 0
    assert status != "done" or (metrics.exists() and any(name.startswith("test/") for name in read_json(metrics)))
    for file in folder.glob("checkpoints/[!.]*.ckpt"):  # a dot: what was being written
        torch.load(file, weights_only=True)
    if (folder / "environment.json").exists():
        read_json(folder / "environment.json")


def assert_tidy(folder: Path) -> None:
    """Nothing is left of what was being written."""
    assert [file for file in folder.rglob(".*") if file.name != ".lock"] == []


def new_record(experiment: str, folder: Path, *words: str) -> Record:
    return Record.create(compose([f"experiment={experiment}", *SMALL[experiment], *LENGTH, *words]), folder)


def undisturbed(experiment: str, folder: Path) -> tuple[Record, float]:
    """A run that is left alone, and its seconds."""
    record = new_record(experiment, folder)
    process = start("resume", str(folder), folder=folder.parent)
    assert process.wait(PATIENCE) == 0, (folder.parent / "console.txt").read_text()
    return record, record.status["seconds"]


@pytest.mark.parametrize("experiment", SMALL)
def test_a_run_survives_any_kill(experiment: str, tmp_path: Path) -> None:
    whole, seconds = undisturbed(experiment, tmp_path / "whole")
    draw = random.Random(experiment)
    kills = rounds = 0
    while kills < KILLS_OF_A_RUN:
        record = new_record(experiment, tmp_path / str(rounds))
        rounds += 1
        history = []
        while record.status["status"] != "done":
            process = start("resume", str(record.folder), folder=tmp_path)
            moment = draw.uniform(0, seconds)
            begun = wait_for(lambda r=record, p=process: r.status.get("process") == p.pid, process)
            if begun and kills < KILLS_OF_A_RUN:
                try:
                    process.wait(moment)
                except subprocess.TimeoutExpired:
                    process.kill()
                    kills += 1
                    history.append(f"{moment:.2f} s")
            killed = process.wait(PATIENCE) == -signal.SIGKILL
            assert killed or process.returncode == 0, (tmp_path / "console.txt").read_text()
            assert_honest(record.folder)
        assert_same(record.folder, whole.folder, f"kills after {history}")
        assert_tidy(record.folder)


def test_a_sweep_and_its_jobs_survive_any_kill(tmp_path: Path) -> None:
    """The sweep is killed or one of its jobs, in turn by lot; `leyden resume` brings all of them to the same end."""
    wholes = {experiment: undisturbed(experiment, tmp_path / "whole" / experiment) for experiment in SMALL}
    draw = random.Random(0)
    kills = rounds = 0
    while kills < KILLS_OF_A_SWEEP:
        sweep = tmp_path / f"sweep_{rounds}"
        rounds += 1
        records = [new_record(experiment, sweep / experiment, "sweep.jobs=2") for experiment in SMALL]
        (sweep / "multirun.yaml").touch()  # what Hydra leaves in a sweep's folder
        while any(record.status["status"] != "done" for record in records):
            process = start("resume", str(sweep), folder=tmp_path)

            def running(records: list[Record] = records) -> list[int]:
                return [record.status["process"] for record in records if record.status["status"] == "running"]

            stale = set(running())
            while kills < KILLS_OF_A_SWEEP and wait_for(lambda old=stale: bool(set(running()) - old), process):
                time.sleep(draw.uniform(0, max(seconds for _, seconds in wholes.values())))
                victims = [pid for pid in running() if pid not in stale and Path(f"/proc/{pid}").exists()]
                victim = process.pid if draw.random() < 0.5 or not victims else draw.choice(victims)
                if process.poll() is None:
                    os.kill(victim, signal.SIGKILL)
                    stale.add(victim)
                    kills += 1
                if victim == process.pid:
                    break
            assert process.wait(PATIENCE) in (0, 1, -signal.SIGKILL)
            assert "is no record" not in (tmp_path / "console.txt").read_text()
            # Jobs of a sweep that is gone interrupt themselves.
            deadline = time.monotonic() + PATIENCE
            while any(Path(f"/proc/{pid}").exists() for pid in running()):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            for record in records:
                assert_honest(record.folder)
        for experiment, record in zip(SMALL, records, strict=True):
            assert_same(record.folder, wholes[experiment][0].folder, f"{kills} kills")
        assert_tidy(sweep)
