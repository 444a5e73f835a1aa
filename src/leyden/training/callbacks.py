"""Callbacks of every run: seeding per step, the guard against NaN, the last values; and a choice of others."""

import logging
import math
import random
from typing import Any

import numpy as np
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch import callbacks
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.model_summary import get_human_readable_count
from torch import Tensor

from leyden.core.seeding import mix
from leyden.training.global_batch import GlobalBatch
from leyden.training.loggers import RunLogger

log = logging.getLogger(__name__)


class StepSeed(Callback):
    """Makes all randomness of a training step (dropout, noise) a pure function of (seed, rank, epoch, batch).

    So a resumed run draws what the undisturbed one draws, without generator states in the checkpoint, and what
    validation or images draw changes nothing.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Seeds torch, NumPy and Python for this step."""
        self._seed(trainer, trainer.current_epoch, batch_idx)

    def on_validation_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Seeds a validation, so that scores do not depend on what was drawn before."""
        self._seed(trainer, -1, 0)

    def on_test_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Seeds a test, so that `leyden evaluate` repeats the run's own."""
        self._seed(trainer, -2, 0)

    def _seed(self, trainer: Trainer, epoch: int, batch: int) -> None:
        seed = mix(self.seed, trainer.global_rank, epoch, batch)
        # torch.manual_seed would also queue a call, with its stack, for every kind of device that is not in use.
        torch.default_generator.manual_seed(seed)
        if trainer.strategy.root_device.type == "cuda":
            torch.cuda.manual_seed(seed)
        np.random.seed(seed & 0xFFFFFFFF)
        random.seed(seed)


class FiniteLoss(Callback):
    """Stops a run whose loss is NaN or infinite before such weights can be saved.

    On a CPU every step is checked; on a GPU, where that waits for the device, every ``log_every_n_steps``-th step and
    every checkpoint.
    """

    def __init__(self) -> None:
        self._loss: Tensor | None = None

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Remembers the step's loss and checks it where that is cheap."""
        self._loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        if module.device.type == "cpu" or trainer.global_step % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self._check(trainer)

    def on_save_checkpoint(self, trainer: Trainer, module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Raises before weights behind a loss that was not finite are saved."""
        self._check(trainer)
        super().on_save_checkpoint(trainer, module, checkpoint)

    def _check(self, trainer: Trainer) -> None:
        if self._loss is None or math.isfinite(loss := self._loss.item()):
            return
        self._loss = None
        raise FloatingPointError(
            f"the loss is {loss} at step {trainer.global_step}: lower the learning rate, or set "
            "trainer.gradient_clip_val; checkpoints/last.ckpt is from before"
        )


class LastValues(Callback):
    """The last value of everything that was logged, also of what was logged before the run was stopped and went on."""

    def __init__(self) -> None:
        self._before: dict[str, float] = {}

    def of(self, trainer: Trainer) -> dict[str, float]:
        """By the metrics' names."""
        return self._before | {name: float(value) for name, value in trainer.callback_metrics.items()}

    def on_save_checkpoint(self, trainer: Trainer, module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Saves the values with the checkpoint, and flushes the loggers, so that curves have no gap after a kill."""
        checkpoint["metrics"] = self.of(trainer)
        for logger in trainer.loggers:
            if isinstance(logger, RunLogger):
                logger.flush()

    def on_load_checkpoint(self, trainer: Trainer, module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Takes up the values of the checkpoint."""
        self._before = checkpoint.get("metrics", {})


class OfEveryRun(StepSeed, FiniteLoss, LastValues, GlobalBatch):
    """What every run has, as one callback.

    Lightning calls each callback at each of some eight moments of a step, whether it has something to do then or not,
    which is felt where a step takes a few milliseconds. No two of these share a moment but the one before a checkpoint
    is saved, when the loss is checked first.

    Args:
        seed: see ``StepSeed``.
        scale_lr: see ``GlobalBatch``.
    """

    def __init__(self, seed: int, scale_lr: bool = False) -> None:
        StepSeed.__init__(self, seed)
        FiniteLoss.__init__(self)
        LastValues.__init__(self)
        GlobalBatch.__init__(self, scale_lr)


class Summary(callbacks.ModelSummary):
    """Lightning's table of layers without those that have no parameters, such as metrics.

    Args:
        max_depth: how deep nested layers are listed.
    """

    @staticmethod
    def summarize(
        summary_data: list[tuple[str, list[str]]], total_parameters: int, trainable_parameters: int, *_: Any, **__: Any
    ) -> None:
        """Logs the table: name, class and parameters of each layer, and how many there are in all."""
        columns = {name.strip(): [text.strip() for text in column] for name, column in summary_data}
        rows = [
            row
            for row in zip(columns["Name"], columns["Type"], columns["Params"], strict=True)
            if row[2] not in ("0", "")
        ]
        rows.append(("all", f"{_count(trainable_parameters)} of them learn", _count(total_parameters)))
        names, kinds, counts = (max(map(len, column)) for column in zip(*rows, strict=True))
        lines = (f"  {name:{names}}  {kind:{kinds}}  {count:>{counts}}" for name, kind, count in rows)
        log.info("parameters\n%s", "\n".join(lines))


def _count(number: int) -> str:
    return get_human_readable_count(number).strip()


class EarlyStopping(callbacks.EarlyStopping):
    """Lightning's, on the metric that the technique itself names.

    Args:
        patience: validations without a new best before the run ends.
    """

    def __init__(self, patience: int) -> None:
        super().__init__(monitor="", patience=patience)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Takes metric and direction from the technique."""
        self.monitor, self.mode = str(pl_module.monitor), str(pl_module.mode)
        self.best_score = torch.tensor(torch.inf if self.mode == "min" else -torch.inf)
        super().setup(trainer, pl_module, stage)
