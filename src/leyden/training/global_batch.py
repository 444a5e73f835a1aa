"""How many examples a step of all processes takes together, and what that means for learning rates."""

import logging

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

log = logging.getLogger(__name__)

RATES = ("lr", "initial_lr", "max_lr", "min_lr")
"""Entries of an optimizer's groups that are learning rates, its schedulers' among them."""


class GlobalBatch(Callback):
    """Says what the global batch is where it is not ``data.batch_size``, and scales learning rates only if asked to.

    The linear rule of Goyal et al. 2017, "Accurate, Large Minibatch SGD" (https://arxiv.org/abs/1706.02677, section
    2.1): a batch k times as large takes k times the rate; with a warm-up, and only while the loss lets it. It was found
    for SGD; for Adam the square root of k is often nearer.

    Args:
        scale_lr: multiplies all learning rates by the number of batches that a step takes.
    """

    def __init__(self, scale_lr: bool = False) -> None:
        self.scale_lr = scale_lr

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        """The optimizers are new here; those of a run that goes on get their state, rates included, right after."""
        batches = trainer.world_size * trainer.accumulate_grad_batches
        if batches == 1:
            return
        batch_size = trainer.datamodule.batch_size  # type: ignore[attr-defined]
        rates = f"multiplied by {batches}" if self.scale_lr else "as configured (scale_lr=true multiplies them)"
        log.info(
            "global batch: %d = %d x %d processes x %d accumulated; learning rates %s",
            batch_size * batches,
            batch_size,
            trainer.world_size,
            trainer.accumulate_grad_batches,
            rates,
        )
        if self.scale_lr:
            self._multiply(trainer, batches)

    def _multiply(self, trainer: Trainer, factor: int) -> None:
        for optimizer in trainer.optimizers:
            for group in optimizer.param_groups:
                group.update({name: group[name] * factor for name in RATES if name in group})
        for entry in trainer.lr_scheduler_configs:
            if "base_lrs" in vars(entry.scheduler):  # ReduceLROnPlateau and SequentialLR have none
                entry.scheduler.base_lrs = [rate * factor for rate in entry.scheduler.base_lrs]
