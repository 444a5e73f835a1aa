import os
from pathlib import Path

import pytest
import yaml
from commands import FAST
from typist import Typist

from leyden.bench.commands.reproduce import repeat
from leyden.bench.config.compose import compose
from leyden.bench.run.record import Record, RecordError
from leyden.bench.run.run import run


@pytest.fixture
def done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    """A record as a run leaves it, without the run."""
    monkeypatch.chdir(tmp_path)
    record = Record.create(compose(), tmp_path / "theirs")
    record.add_environment(devices={"kind": "cpu", "count": 1, "threads": 3}, data="abc")
    record.set_metrics({"test/accuracy": 0.5})
    record.set_status("done")
    return record


def test_a_run_is_reproduced_bit_for_bit(typist: Typist, tmp_path: Path) -> None:
    """With the record's number of threads, whatever number the process starts with."""
    first = Record.create(compose(FAST), tmp_path / "first")
    first.add_environment(devices={"threads": 1, "precision": "32-true"})
    run(first)
    two = "import torch; torch.set_num_threads(2); from leyden.cli import main; main()"
    with typist.start(["-c", two, "reproduce", "first", "--output", "again"], tmp_path, dict(os.environ)) as process:
        ran = process.result()
    assert ran.returncode == 0, ran.stderr
    assert "identical bit for bit" in ran.stdout
    again = Record(tmp_path / "again")
    assert again.environment["devices"]["threads"] == 1
    assert {**again.metrics, "train_seconds": 0} == {**first.metrics, "train_seconds": 0}


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
