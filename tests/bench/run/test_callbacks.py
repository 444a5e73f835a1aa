import math
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.plugins import TorchCheckpointIO

from leyden.bench.run.callbacks import (
    AtomicCheckpointIO,
    EarlyStopping,
    FiniteLoss,
    LastCheckpoint,
    LastValues,
    StepSeed,
)


def draws(seed: int, rank: int, epoch: int, batch: int) -> tuple[Any, ...]:
    trainer: Any = SimpleNamespace(
        global_rank=rank, current_epoch=epoch, strategy=SimpleNamespace(root_device=torch.device("cpu"))
    )
    StepSeed(seed).on_train_batch_start(trainer, None, None, batch)  # type: ignore[arg-type]
    return float(torch.rand(())), float(np.random.rand()), random.random()


def test_randomness_of_a_step_is_a_function_of_seed_rank_epoch_and_batch() -> None:
    first = draws(0, 0, 3, 5)
    torch.rand(100)  # whatever was drawn in between
    assert draws(0, 0, 3, 5) == first
    others = [draws(1, 0, 3, 5), draws(0, 1, 3, 5), draws(0, 0, 4, 5), draws(0, 0, 3, 6), draws(0, 0, 5, 3)]
    for numbers in zip(first, *others, strict=True):
        assert len(set(numbers)) == len(numbers)


def test_what_was_logged_before_a_run_went_on_is_not_forgotten() -> None:
    metrics = {"val/ap": torch.tensor(0.5), "train/loss": torch.tensor(2.0)}
    trainer: Any = SimpleNamespace(callback_metrics=metrics, loggers=[])
    checkpoint: dict[str, Any] = {}
    LastValues().on_save_checkpoint(trainer, None, checkpoint)  # type: ignore[arg-type]
    assert checkpoint == {"metrics": {"val/ap": 0.5, "train/loss": 2.0}}
    resumed = LastValues()
    resumed.on_load_checkpoint(trainer, None, checkpoint)  # type: ignore[arg-type]
    trainer.callback_metrics = {"train/loss": torch.tensor(1.0)}  # no validation came after that
    assert resumed.of(trainer) == {"val/ap": 0.5, "train/loss": 1.0}


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_no_checkpoint_is_written_behind_a_loss_that_is_not_finite(loss: float) -> None:
    guard = FiniteLoss()
    trainer: Any = SimpleNamespace(global_step=12, log_every_n_steps=10)
    module: Any = SimpleNamespace(device=torch.device("meta"))  # a device where looking at every step costs too much
    guard.on_train_batch_end(trainer, module, {"loss": torch.tensor(loss)}, None, 0)
    with pytest.raises(FloatingPointError, match="at step 12"):
        guard.on_save_checkpoint(trainer, module, {})
    module.device = torch.device("cpu")
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        guard.on_train_batch_end(trainer, module, torch.tensor(loss), None, 0)


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    io, path = AtomicCheckpointIO("a.Technique"), tmp_path / "checkpoints" / "last.ckpt"
    io.save_checkpoint({"step": 1}, path)

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        io.save_checkpoint({"step": 2}, path)
    assert TorchCheckpointIO().load_checkpoint(path, weights_only=True) == {"step": 1, "technique": "a.Technique"}
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("mode", "scores"), [("min", [3.0, 2.0, 2.5, 2.6]), ("max", [1.0, 2.0, 1.5, 1.4])])
def test_early_stopping_follows_the_techniques_own_metric(mode: str, scores: list[float]) -> None:
    stopping = EarlyStopping(patience=2)
    module: Any = SimpleNamespace(monitor="val/score", mode=mode)
    trainer: Any = SimpleNamespace(check_val_every_n_epoch=1, val_check_interval=1.0)
    stopping.setup(trainer, module, "fit")
    stops = [stopping._evaluate_stopping_criteria(torch.tensor(score))[0] for score in scores]
    assert stops == [False, False, False, True]


def written(
    every: int | None,
    seconds: float,
    monkeypatch: pytest.MonkeyPatch,
    took: float = 0,
    validates_every: float = math.inf,
) -> list[int]:
    """Steps at which last.ckpt is written, every so many; of six epochs of four steps that take so long each."""
    clock, steps = [0.0], []
    monkeypatch.setattr("leyden.bench.run.callbacks.time.monotonic", lambda: clock[0])
    loop = SimpleNamespace(done=False, total_batch_idx=0)

    def save(path: Path, weights_only: bool) -> None:
        steps.append(trainer.global_step)
        clock[0] += took

    trainer: Any = SimpleNamespace(
        check_val_every_n_epoch=None,
        val_check_batch=validates_every,
        fit_loop=loop,
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
def test_last_checkpoint_is_written_every_so_many_steps(
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
def test_last_checkpoint_is_written_by_the_clock_as_often_as_it_is_worth(
    seconds: float, took: float, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert written(None, seconds, monkeypatch, took) == expected
