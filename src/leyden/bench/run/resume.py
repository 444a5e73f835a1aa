"""``last.ckpt``, from which a run goes on in the middle of an epoch as if nothing had happened, bit for bit.

What makes that so: the order of the data and the randomness of a step are functions of (seed, epoch, batch)
(``leyden.data.loader``, ``callbacks.StepSeed``), so a checkpoint needs no generator's state.
"""

import math
import time
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from leyden.bench.compat import begin_with_next_epoch, numbers_to_come
from leyden.training.loggers import log_ahead

SELDOM = 5.0
"""Seconds between two writes of ``last.ckpt`` by the clock, at least: one takes as long as several short steps."""
FACTOR = 50
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
        """Where steps are limited, makes a run that goes on from an epoch's end begin the next epoch."""
        if trainer.max_steps != -1:
            begin_with_next_epoch(checkpoint)

    def _late(self, trainer: Trainer) -> bool:
        late = time.monotonic() - self._written > max(SELDOM, FACTOR * self._took)
        return trainer.strategy.broadcast(late)  # all ranks write together, so the first one's clock counts

    def _save(self, trainer: Trainer) -> None:
        began = time.monotonic()
        log_ahead(trainer.loggers, numbers_to_come(trainer))
        trainer.save_checkpoint(self.path, weights_only=False)
        self._due, self._written = False, time.monotonic()
        self._took = self._written - began


def _validates_next(trainer: Trainer, batch_idx: int) -> bool:
    """Whether the epoch or the training ends with this batch, or Lightning validates before the next one."""
    done = batch_idx if trainer.check_val_every_n_epoch is not None else trainer.fit_loop.total_batch_idx
    interval = trainer.val_check_batch or math.inf  # None where Lightning goes by the clock
    return trainer.is_last_batch or trainer.should_stop or (done + 1) % interval == 0
