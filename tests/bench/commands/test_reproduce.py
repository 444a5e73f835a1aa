import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import FAST, read_json

from leyden.bench.commands.reproduce import changes, compare, overall, repeat
from leyden.bench.config.compose import compose
from leyden.bench.run.record import Record, RecordError

EXPECT = {"test/accuracy": {"min": 0.7}, "test/fid": {"min": 1.0, "max": 3.0}}


@pytest.fixture
def done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    """A record as a run leaves it, without the run."""
    monkeypatch.chdir(tmp_path)
    record = Record.create(compose(), tmp_path / "theirs")
    record.add_environment(devices={"kind": "cpu", "count": 1, "threads": 3}, data="abc")
    record.set_metrics({"test/accuracy": 0.5})
    record.set_status("done")
    return record


def test_a_run_is_reproduced_bit_for_bit(leyden: Callable, records: Callable, tmp_path: Path) -> None:
    ran = leyden("run", *FAST, OMP_NUM_THREADS="2")
    assert ran.returncode == 0, ran.stderr
    [folder] = records()
    ran = leyden("reproduce", str(folder), "--output", "again", OMP_NUM_THREADS="1")
    assert ran.returncode == 0, ran.stderr
    assert "identical bit for bit" in ran.stdout
    assert read_json(tmp_path / "again" / "environment.json")["devices"]["threads"] == 2
    first, second = (read_json(place / "metrics.json") for place in (folder, tmp_path / "again"))
    assert {**first, "train_seconds": 0} == {**second, "train_seconds": 0}


@pytest.mark.parametrize(
    ("then", "now", "verdict"),
    [
        (0.75, 0.75, "identical"),
        (0.75, 0.7500000000000001, "within"),
        (0.75, 0.69, "different"),
        (0.69, 0.75, "different"),  # what the record claims is not what a sound run reaches
        (math.nan, math.nan, "identical"),
        (0.75, math.nan, "different"),
        (0.75, None, "different"),
        (None, 0.75, "different"),
    ],
)
def test_a_verdict_on_a_bounded_metric(then: float | None, now: float | None, verdict: str) -> None:
    both = [{} if value is None else {"test/accuracy": value} for value in (then, now)]
    assert compare(*both, EXPECT) == {"test/accuracy": verdict}


def test_times_are_not_compared() -> None:
    then = {"train_seconds": 1.0, "test/ms_per_image_network": 2.0, "train/loss": 0.1}
    now = {"train_seconds": 5.0, "test/ms_per_image_network": 1.0, "train/loss": 0.2}
    assert compare(then, now, EXPECT) == {"train/loss": "different"}


@pytest.mark.parametrize(
    ("verdicts", "expect", "whole"),
    [
        ({"a": "identical", "b": "identical"}, {}, "identical"),
        ({"a": "within", "b": "different"}, {"a": {}}, "within"),
        ({"a": "identical", "b": "different"}, {"a": {}}, "within"),
        ({"a": "different", "b": "identical"}, {"a": {}}, "different"),
        ({"a": "identical", "b": "different"}, {}, "different"),
        ({"a": "different", "b": "identical"}, {"c": {}}, "different"),
    ],
)
def test_verdict_on_a_run_goes_by_its_bounds(verdicts: Any, expect: Any, whole: str) -> None:
    assert overall(verdicts, expect) == whole


def test_what_changed_is_told() -> None:
    then = {
        "packages": {"torch": "2.11", "numpy": "2.0"}, "python": "3.11.9", "platform": "Linux", "cpu": "a", "data": "x",
        "git": {"commit": "abc", "dirty": False}, "devices": {"kind": "cpu", "count": 1, "threads": 2},
    }  # fmt: skip
    assert changes(then, then) == []
    assert changes({**then, "data": None}, then) == []  # a run that has not begun has not looked at its data
    now = {
        **then, "packages": {"torch": "2.12"}, "cpu": "b", "data": "y", "git": {"commit": "abd", "dirty": True},
        "devices": {"kind": "NVIDIA H100", "count": 2, "threads": 2},
    }  # fmt: skip
    assert changes(then, now) == [
        "numpy: 2.0 then, none now",
        "torch: 2.11 then, 2.12 now",
        "cpu: a then, b now",
        "data: x then, y now",
        "devices.kind: cpu then, NVIDIA H100 now",
        "devices.count: 1 then, 2 now",
        "git commit: abc then, abd now",
        "git: the code had changes that no commit holds (now)",
    ]


def test_new_record_lies_in_own_outputs(done: Record, tmp_path: Path) -> None:
    config = done.config
    config["paths"]["outputs"], config["lab"]["name"] = str(tmp_path / "elsewhere"), "../../name"
    (done.folder / "config.yaml").write_text(yaml.safe_dump(config))
    new = repeat(done)
    assert new.folder.resolve().parent == tmp_path / "outputs" / "reproduced"
    assert (new.config, new.overrides, new.status["status"]) == (config, done.overrides, "pending")
    assert new.environment["devices"]["threads"] == 3
    assert not (tmp_path / "elsewhere").exists()


def test_only_done_runs_are_reproduced(done: Record) -> None:
    with pytest.raises(RecordError, match="is not empty: choose another folder"):
        repeat(done, done.folder)
    done.set_status("interrupted")
    with pytest.raises(RecordError, match="is not done: `leyden resume"):
        repeat(done)
