"""What keeps every run safe: seeding per step, the guard against NaN, checkpoints that are whole or not there."""

import math
import os
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch import callbacks
from lightning.pytorch.callbacks import Callback, Checkpoint, ModelCheckpoint
from lightning.pytorch.plugins import TorchCheckpointIO
from torch import Tensor

from leyden.bench.run.loggers import RunLogger
from leyden.core.files import write_whole
from leyden.core.seeding import mix


class StepSeed(Callback):
    """Makes all randomness of a training step (dropout, noise) a pure function of (seed, rank, epoch, batch).

    So a resumed run draws what the undisturbed one draws, without generator states in the checkpoint, and what
    validation or pictures draw changes nothing.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Seeds torch, NumPy and Python for this step."""
        self._seed(trainer, trainer.current_epoch, batch_idx)

    def on_validation_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Scores do not depend on what was drawn before."""
        self._seed(trainer, -1, 0)

    def on_test_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Likewise; `leyden evaluate` repeats the run's own test."""
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

    On a CPU every step is looked at; on a GPU, where looking waits for the device, every ``log_every_n_steps``-th step
    and every checkpoint.
    """

    def __init__(self) -> None:
        self._loss: Tensor | None = None

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Remembers the step's loss and looks at it where that is cheap."""
        self._loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        if module.device.type == "cpu" or trainer.global_step % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self._look(trainer)

    def on_save_checkpoint(self, trainer: Trainer, module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """No checkpoint holds weights behind a loss that was not finite."""
        self._look(trainer)

    def _look(self, trainer: Trainer) -> None:
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
        """A run that is killed behind its last step has nothing left to log, and no gap in its curves."""
        checkpoint["metrics"] = self.of(trainer)
        for logger in trainer.loggers:
            if isinstance(logger, RunLogger):
                logger.before_checkpoint()

    def on_load_checkpoint(self, trainer: Trainer, module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Goes on from there."""
        self._before = checkpoint.get("metrics", {})


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


SELDOM = 5.0
"""Seconds between two writes of ``last.ckpt`` by the clock, at least: one takes as long as several short steps."""
SHARE = 50
"""How many times as long as the last write they are apart, at least: gigabytes take seconds."""
LOOK = 10
"""Optimizer steps between two looks at the clock, on which all processes have to agree."""


class LastCheckpoint(Checkpoint):
    """``last.ckpt``, by the clock or every so many optimizer steps, after epochs that are long enough, and at the end.

    Where a validation follows a step, the next step is taken, or the epoch's end: Lightning does not make up for a
    validation that was still to come when the file was written.

    Lightning's ModelCheckpoint does one or the other, and two of them would cost every step more than this.

    Args:
        path: of the file.
        every_n_steps: optimizer steps between two writes; None: by the clock.
    """

    def __init__(self, path: Path, every_n_steps: int | None) -> None:
        self.path = path
        self.every_n_steps = every_n_steps
        self._step, self._due = 0, False
        self._written, self._took = time.monotonic(), 0.0

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Saves when it is time; not twice where gradients are accumulated."""
        step = trainer.global_step
        if step != self._step:
            self._step = step
            by_steps, every = self.every_n_steps is not None, self.every_n_steps or LOOK
            self._due |= step % every == 0 and (by_steps or self._late(trainer))
        if self._due and not _validates_next(trainer, batch_idx):
            self._save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Saves after the epoch's validation, so that going on begins with the next epoch."""
        if self._due or trainer.fit_loop.done or self._late(trainer):
            self._save(trainer)

    def on_load_checkpoint(self, trainer: Trainer, module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Where steps are limited, makes a run that goes on from an epoch's end begin the next epoch.

        Lightning 2.6 then repeats the end of the epoch, which counts one without a step. It does not where the file
        says that the epoch is over and its last batch was about to be.
        """
        loop = checkpoint["loops"]["fit_loop"]
        epochs, batches = loop["epoch_progress"], loop["epoch_loop.batch_progress"]
        total = epochs["total"]
        over = total["ready"] == total["processed"] == total["completed"] + 1
        if trainer.max_steps == -1 or not over or not batches["is_last_batch"]:
            return
        for count in ("total", "current"):
            epochs[count]["completed"] += 1
            batches[count]["completed"] -= 1
        batches["is_last_batch"] = False
        loop["epoch_loop.state_dict"]["_batches_that_stepped"] -= 1  # it will count that batch

    def _late(self, trainer: Trainer) -> bool:
        late = time.monotonic() - self._written > max(SELDOM, SHARE * self._took)
        return trainer.strategy.broadcast(late)  # all ranks write together, so the first one's clock counts

    def _save(self, trainer: Trainer) -> None:
        began = time.monotonic()
        trainer.save_checkpoint(self.path, weights_only=False)
        self._due, self._written = False, time.monotonic()
        self._took = self._written - began


def _validates_next(trainer: Trainer, batch_idx: int) -> bool:
    """Whether the epoch ends with this batch, or Lightning validates before the next one."""
    done = batch_idx if trainer.check_val_every_n_epoch is not None else trainer.fit_loop.total_batch_idx
    interval = trainer.val_check_batch or math.inf  # None where Lightning goes by the clock
    return trainer.is_last_batch or (done + 1) % interval == 0


def checkpoints(module: LightningModule, folder: Path, every_n_steps: int | None) -> list[Callback]:
    """``best.ckpt`` by the technique's own metric, and ``last.ckpt``."""
    best = ModelCheckpoint(
        folder, "best", monitor=str(module.monitor), mode=str(module.mode), enable_version_counter=False
    )
    best.on_train_batch_end = None  # type: ignore[assignment]  # it saves after validations; see steps.py
    return [best, LastCheckpoint(folder / "last.ckpt", every_n_steps)]


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint under another name beside its place, then renames it: a kill leaves the old one whole.

    Args:
        technique: dotted name of the class whose checkpoints these are; it is written into each.
    """

    def __init__(self, technique: str) -> None:
        self.technique = technique

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Saves ``checkpoint`` at ``path``, whole or not at all."""

        def put(partial: Path) -> None:
            with partial.open("wb") as file:
                try:
                    torch.save({**checkpoint, "technique": self.technique}, file)
                except RuntimeError as error:
                    # On a full disk torch's writer speaks of positions in its archive.
                    raise error.__context__ if isinstance(error.__context__, OSError) else error from None
                file.flush()
                os.fsync(file.fileno())

        write_whole(Path(path), put)
