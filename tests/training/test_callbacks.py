import random
from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from lightning import LightningModule
from lightning.pytorch.callbacks import Callback

from leyden.training.callbacks import EarlyStopping, FiniteLoss, LastValues, OfEveryRun, StepSeed, Summary


def draws(seed: int, rank: int, epoch: int, batch: int) -> tuple[Any, ...]:
    trainer: Any = SimpleNamespace(
        global_rank=rank, current_epoch=epoch, strategy=SimpleNamespace(root_device=torch.device("cpu"))
    )
    StepSeed(seed).on_train_batch_start(trainer, None, None, batch)  # type: ignore[arg-type]
    return float(torch.rand(())), float(np.random.rand()), random.random()


def test_step_seed_is_a_function_of_place() -> None:
    first = draws(0, 0, 3, 5)
    torch.rand(100)  # whatever was drawn in between
    assert draws(0, 0, 3, 5) == first
    others = [draws(1, 0, 3, 5), draws(0, 1, 3, 5), draws(0, 0, 4, 5), draws(0, 0, 3, 6), draws(0, 0, 5, 3)]
    for numbers in zip(first, *others, strict=True):
        assert len(set(numbers)) == len(numbers)


def test_last_values_survive_a_resume() -> None:
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
def test_infinite_loss_writes_no_checkpoint(loss: float) -> None:
    guard = FiniteLoss()
    trainer: Any = SimpleNamespace(global_step=12, log_every_n_steps=10)
    module: Any = SimpleNamespace(device=torch.device("meta"))  # a device where looking at every step costs too much
    guard.on_train_batch_end(trainer, module, {"loss": torch.tensor(loss)}, None, 0)
    with pytest.raises(FloatingPointError, match="at step 12"):
        guard.on_save_checkpoint(trainer, module, {})
    module.device = torch.device("cpu")
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        guard.on_train_batch_end(trainer, module, torch.tensor(loss), None, 0)


def test_one_callback_is_all_of_every_run() -> None:
    """Weights behind a loss that is not finite are refused before the values are noted."""
    one = OfEveryRun(0)
    trainer: Any = SimpleNamespace(
        callback_metrics={"val/ap": torch.tensor(0.5)}, loggers=[], global_step=1, log_every_n_steps=50,
        global_rank=0, current_epoch=3, strategy=SimpleNamespace(root_device=torch.device("cpu")),
    )  # fmt: skip
    module: Any = SimpleNamespace(device=torch.device("meta"))
    one.on_train_batch_start(trainer, module, None, 5)
    assert (float(torch.rand(())), float(np.random.rand()), random.random()) == draws(0, 0, 3, 5)
    checkpoint: dict[str, Any] = {}
    one.on_train_batch_end(trainer, module, {"loss": torch.tensor(1.0)}, None, 0)
    one.on_save_checkpoint(trainer, module, checkpoint)
    assert checkpoint == {"metrics": {"val/ap": 0.5}}
    one.on_train_batch_end(trainer, module, {"loss": torch.tensor(torch.nan)}, None, 1)
    checkpoint = {}
    with pytest.raises(FloatingPointError):
        one.on_save_checkpoint(trainer, module, checkpoint)
    assert not checkpoint


def test_parts_of_every_run_share_no_moment() -> None:
    """Of two bases with the same method the first alone would be called; the one that both have calls the other."""
    used = Counter(name for part in OfEveryRun.__bases__ for name in vars(part) if name in vars(Callback))
    assert {name for name, count in used.items() if count > 1} - {"__module__", "__doc__", "__dict__"} == {
        "on_save_checkpoint"
    }


@pytest.mark.parametrize(("mode", "scores"), [("min", [3.0, 2.0, 2.5, 2.6]), ("max", [1.0, 2.0, 1.5, 1.4])])
def test_early_stopping_takes_techniques_metric(mode: str, scores: list[float]) -> None:
    stopping = EarlyStopping(patience=2)
    module: Any = SimpleNamespace(monitor="val/score", mode=mode)
    trainer: Any = SimpleNamespace(check_val_every_n_epoch=1, val_check_interval=1.0)
    stopping.setup(trainer, module, "fit")
    stops = [stopping._evaluate_stopping_criteria(torch.tensor(score))[0] for score in scores]
    assert stops == [False, False, False, True]


def test_summary_lists_layers_with_parameters(caplog: pytest.LogCaptureFixture) -> None:
    module = LightningModule()
    module.body, module.accuracy = torch.nn.Linear(9, 100), torch.nn.Identity()
    module.head = torch.nn.Linear(10, 1).requires_grad_(False)
    trainer: Any = SimpleNamespace(is_global_zero=True, strategy=None)
    with caplog.at_level("INFO"):
        Summary().on_fit_start(trainer, module)
    assert caplog.messages[0].splitlines() == [
        "parameters",
        "  body  Linear               1.0 K",
        "  head  Linear                  11",
        "  all   1.0 K of them learn  1.0 K",
    ]
