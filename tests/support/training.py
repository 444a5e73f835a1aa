"""Short trainings without a word, what they show, and that they may be stopped."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.loggers.logger import Logger
from torch import Tensor


def quiet_trainer(**values: Any) -> Trainer:
    """On the CPU; nothing is printed, written or validated unless it is asked for."""
    quiet: dict[str, Any] = {
        "accelerator": "cpu", "logger": False, "enable_checkpointing": False, "enable_progress_bar": False,
        "enable_model_summary": False, "num_sanity_val_steps": 0, "limit_val_batches": 0,
    }  # fmt: skip
    return Trainer(**(quiet | values))


class Kept(Logger):
    """Keeps the last picture of each name, and the steps at which each number came."""

    name, version = "kept", ""

    def __init__(self) -> None:
        super().__init__()
        self.pictures: dict[str, Tensor] = {}
        self.steps: dict[str, list[int | None]] = {}

    def log_image(self, key: str, images: list[Tensor], step: int | None = None) -> None:
        self.pictures[key] = images[0]

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        for name in metrics:
            self.steps.setdefault(name, []).append(step)

    def log_hyperparams(self, *_: Any) -> None: ...


class StepSeed(Callback):
    """Makes a step's randomness a matter of its number, as `leyden run` does."""

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        torch.manual_seed(trainer.global_step)


class Stop(Callback):
    """Writes a checkpoint behind a step and ends the run there, as a kill would: its schedules are the whole run's."""

    def __init__(self, step: int, file: Path) -> None:
        self.step, self.file = step, file

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.file)
            trainer.should_stop = True


def assert_resumed_is_as_if_left_alone(
    new_model: Callable[[], LightningModule],
    new_data: Callable[[], Any],
    folder: Path,
    steps: int = 8,
    stop: int = 3,
    callbacks: Sequence[Callback] = (),
) -> LightningModule:
    """A run that is stopped and goes on from its checkpoint ends with the very weights of one that was left alone.

    Args:
        new_model: makes the module, which may draw random weights.
        new_data: makes what it learns from.
        folder: where ``stopped.ckpt`` is written.
        steps: of the whole run.
        stop: the step behind which it is stopped.
        callbacks: of every run.

    Returns:
        the module as it was when it was stopped.
    """

    def fit(*more: Callback, checkpoint: Path | None = None) -> LightningModule:
        seed_everything(0, verbose=False)
        model = new_model()
        run = quiet_trainer(max_steps=steps, max_epochs=-1, callbacks=[StepSeed(), *callbacks, *more])
        run.fit(model, new_data(), ckpt_path=checkpoint, weights_only=True)
        return model

    file = folder / "stopped.ckpt"
    whole, stopped, resumed = fit(), fit(Stop(stop, file)), fit(checkpoint=file)
    assert [model.global_step for model in (whole, stopped, resumed)] == [steps, stop, steps]
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict(), rtol=0, atol=0)
    return stopped
