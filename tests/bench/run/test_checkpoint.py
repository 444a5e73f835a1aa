"""Checkpoints that a full disk or a crash of the machine has cut short."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import FAST
from lightning.pytorch.plugins import TorchCheckpointIO

from leyden.bench.config.compose import compose
from leyden.bench.config.validate import compose_and_check
from leyden.bench.run.checkpoint import best, newest
from leyden.bench.run.record import Record
from leyden.bench.run.run import run
from leyden.training.checkpoint import AtomicCheckpointIO, BrokenCheckpointError, CheckpointError, verify

TECHNIQUE = "leyden.transfer.finetune.finetune.Finetune"
EIGHT_STEPS = ["trainer.max_steps=8", "trainer.max_epochs=4", "trainer.limit_train_batches=null"]


def cut(file: Path, generator: random.Random) -> None:
    file.write_bytes(file.read_bytes()[: generator.randrange(file.stat().st_size)])


@pytest.fixture
def record(tmp_path: Path) -> Record:
    record = Record.create(compose(), tmp_path / "record")
    record.checkpoint("best").parent.mkdir()
    for step, name in ((1, "best"), (2, "last")):
        weights = torch.arange(1000.0)
        torch.save({"technique": TECHNIQUE, "global_step": step, "state_dict": {"w": weights}}, record.checkpoint(name))
    return record


def test_cut_checkpoint_is_recognised(record: Record) -> None:
    whole = record.checkpoint("last").read_bytes()
    generator = random.Random(0)
    places = [0, 1, 4, 100, len(whole) - 1, *(generator.randrange(len(whole)) for _ in range(60))]
    for place in places:
        record.checkpoint("last").write_bytes(whole[:place])
        with pytest.raises(BrokenCheckpointError, match="is not a whole checkpoint"):
            verify(record.checkpoint("last"), TECHNIQUE)
        assert newest(record, TECHNIQUE) == record.checkpoint("best")
    record.checkpoint("last").write_bytes(whole)
    assert newest(record, TECHNIQUE) == record.checkpoint("last")


def test_run_restarts_without_best_weights(record: Record, caplog: pytest.LogCaptureFixture) -> None:
    cut(record.checkpoint("best"), random.Random(0))
    with pytest.raises(BrokenCheckpointError, match=r"there is: last\.ckpt"):
        best(record, TECHNIQUE)
    assert newest(record, TECHNIQUE) is None
    assert "best.ckpt is cut short, and no other holds the best weights: beginning at the start" in caplog.text
    assert not list(record.checkpoint("best").parent.iterdir())  # or the old last.ckpt would meet the new best.ckpt


def test_checkpoint_of_another_technique(record: Record) -> None:
    with pytest.raises(CheckpointError, match=r"the config wants leyden\.gan\.noise_to_image\.dcgan\.DCGAN"):
        newest(record, "leyden.gan.noise_to_image.dcgan.DCGAN")
    assert len(list(record.checkpoint("best").parent.iterdir())) == 2


def test_run_resumes_from_an_earlier_checkpoint(tmp_path: Path, capfd: Any) -> None:
    words = [*FAST, *EIGHT_STEPS, "trainer.check_val_every_n_epoch=1", "checkpoint.every_n_steps=3"]
    record = Record.create(compose_and_check([*words, f"paths.outputs={tmp_path}"]))

    def outcome() -> tuple[dict[str, float], Any, str]:
        weights = torch.load(record.checkpoint("last"), weights_only=True)["state_dict"]
        tested = {name: value for name, value in record.metrics.items() if name.startswith(("best/", "test/"))}
        return tested, weights, (record.folder / "metrics.csv").read_text()

    run(record)
    expected = outcome()
    generator = random.Random(1)
    for broken, said in (("last", "last.ckpt is cut short: going on from"), ("best", "beginning at the start")):
        cut(record.checkpoint(broken), generator)
        record.set_status("interrupted")
        run(record)
        assert said in capfd.readouterr().err
        metrics, weights, curves = outcome()
        assert metrics == expected[0]
        torch.testing.assert_close(weights, expected[1], rtol=0, atol=0)
        assert curves == expected[2]


def test_full_disk_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    io, path = AtomicCheckpointIO("a.Technique"), tmp_path / "checkpoints" / "last.ckpt"
    io.save_checkpoint({"step": 1}, path)

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        io.save_checkpoint({"step": 2}, path)
    assert TorchCheckpointIO().load_checkpoint(path, weights_only=True) == {"step": 1, "technique": "a.Technique"}
    assert list(path.parent.iterdir()) == [path]
