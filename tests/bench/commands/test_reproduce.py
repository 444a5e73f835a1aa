from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from commands import FAST, read_json

from leyden.bench.commands.reproduce import repeat
from leyden.bench.config.compose import compose
from leyden.bench.run.record import Record, RecordError


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
