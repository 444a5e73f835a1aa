import math
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning import LightningModule
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import DataLoader

from leyden.bench.run.resume import LastCheckpoint
from leyden.training.callbacks import LastValues
from leyden.training.loggers import Files
from leyden.training.tensorboard import TensorBoard
from training import quiet_trainer


def written(
    every: int | None,
    seconds: float,
    monkeypatch: pytest.MonkeyPatch,
    took: float = 0,
    validates_every: float = math.inf,
) -> list[int]:
    """Steps at which last.ckpt is written, every so many; of six epochs of four steps that take so long each."""
    clock, steps = [0.0], []
    monkeypatch.setattr("leyden.bench.run.resume.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("leyden.bench.run.resume.numbers_to_come", lambda trainer: {})
    loop = SimpleNamespace(done=False, total_batch_idx=0)

    def save(path: Path, weights_only: bool) -> None:
        steps.append(trainer.global_step)
        clock[0] += took

    trainer: Any = SimpleNamespace(
        check_val_every_n_epoch=None,
        val_check_batch=validates_every,
        fit_loop=loop,
        should_stop=False,
        loggers=[],
        strategy=SimpleNamespace(broadcast=lambda flag: flag),
        save_checkpoint=save,
    )
    keeper, module = LastCheckpoint(Path("last.ckpt"), every), Any
    for epoch in range(6):
        for batch in range(4):
            clock[0] += seconds / 4
            loop.total_batch_idx = 4 * epoch + batch
            trainer.global_step, trainer.is_last_batch = loop.total_batch_idx + 1, batch == 3
            keeper.on_train_batch_end(trainer, module, None, None, batch)  # type: ignore[arg-type]
        loop.done = epoch == 5
        keeper.on_train_epoch_end(trainer, module)  # type: ignore[arg-type]
    return steps


@pytest.mark.parametrize(
    ("seconds", "validates_every", "expected"),
    [
        (1.0, math.inf, [5, 10, 15, 20, 24]),  # 20 is an epoch's end, after its validation; 24 the end of all
        (7.0, math.inf, [4, 5, 8, 10, 15, 20, 24]),  # epochs' ends too, where the last one is 5 s old
        (1.0, 5, [6, 11, 16, 20, 24]),  # not while a validation is still to come: a step later, or at the epoch's end
    ],
)
def test_last_checkpoint_by_steps(
    seconds: float, validates_every: float, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert written(5, seconds, monkeypatch, validates_every=validates_every) == expected


@pytest.mark.parametrize(
    ("seconds", "took", "expected"),
    [
        (1.0, 0, [24]),  # six seconds in all, and no look at the clock in the last of them
        (3.0, 0, [8, 16, 24]),  # at epochs' ends, between the looks at every tenth step
        (16.0, 0, [4, 8, 10, 12, 16, 20, 24]),
        (16.0, 0.5, [4, 12, 20, 24]),  # 25 s apart, because half a second is a fiftieth of that
    ],
)
def test_last_checkpoint_by_the_clock(
    seconds: float, took: float, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert written(None, seconds, monkeypatch, took) == expected


class Counting(LightningModule):
    """Logs the step's number, and something for the epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        self.log("train/loss", float(self.global_step))
        self.log("train/epoch_end", 1.0, on_step=False, on_epoch=True, batch_size=1)
        return self.weight.square()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val/loss", float(self.global_step), batch_size=1)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD([self.weight], lr=0.1)


class KilledError(Exception):
    """Comes where a SIGKILL might."""


def fit(folder: Path, kill_at: int | None = None, start: int | None = None) -> None:
    """Two epochs of four steps, of which every second is logged; ends right behind the checkpoint of step ``kill_at``.

    What Lightning does behind a training step's callbacks is then still to come: the loggers have not got its numbers.
    """
    loggers: list[Any] = [Files(str(folder)), TensorBoard(str(folder))]
    trainer = quiet_trainer(
        max_epochs=2, log_every_n_steps=2, limit_val_batches=1, logger=loggers, default_root_dir=str(folder),
        enable_checkpointing=True, callbacks=[LastValues(), LastCheckpoint(folder / "last.ckpt", 1)],
    )  # fmt: skip
    save = trainer.save_checkpoint

    def save_and_die(path: Path, weights_only: bool) -> None:
        save(path, weights_only)
        if trainer.global_step == kill_at:
            raise KilledError

    trainer.save_checkpoint = save_and_die  # type: ignore[method-assign, assignment]
    for logger in loggers:
        logger.trainer = trainer
        logger.rewind(-1 if start is None else start)
    batches = DataLoader(torch.zeros(4), batch_size=1)
    with pytest.raises(KilledError) if kill_at is not None else nullcontext():
        trainer.fit(Counting(), batches, batches, ckpt_path=None if start is None else folder / "last.ckpt")


def points(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint")
@pytest.mark.parametrize("step", [1, 2, 6, 4, 8])
def test_kill_behind_a_checkpoint_loses_no_row(step: int, tmp_path: Path) -> None:
    """Of a step that is not logged, one that is, and an epoch's end."""
    fit(tmp_path / "whole")
    fit(tmp_path / "killed", kill_at=step)
    # Files of one second are read by their number as text: 10 before 9.
    next(tmp_path.glob("killed/*/events.*")).rename(
        tmp_path / "killed" / "tensorboard" / "events.out.tfevents.0.earlier"
    )
    fit(tmp_path / "killed", start=step)
    whole, killed = ((tmp_path / name / "metrics.csv").read_text() for name in ("whole", "killed"))
    assert whole.splitlines()[1:5] == ["2,train/loss,1", "4,train/loss,3", "4,val/loss,4", "4,train/epoch_end,1"]
    assert killed == whole
    assert points(tmp_path / "killed") == points(tmp_path / "whole")
