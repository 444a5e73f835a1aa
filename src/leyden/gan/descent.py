"""Optimisation by hand: several optimizers descend in turn, and a batch is one step."""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from lightning import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim.lr_scheduler import LRScheduler

from leyden.visualization.logging import logs_now

Schedule = Literal["constant", "linear", "cosine", "step"]
SCHEDULES: dict[Schedule, Callable[[float], float]] = {
    "constant": lambda t: 1.0,
    "linear": lambda t: 1 - t,
    "cosine": lambda t: (1 + math.cos(math.pi * t)) / 2,
    "step": lambda t: 1.0 if t < 0.5 else 0.1,
}
"""What the rates are multiplied by when the share t of the steps is done."""


class Descent(LightningModule):
    """What every module does that has several optimizers: one of them steps down a loss, on all ranks alike.

    Args:
        clip: greatest norm of the gradient of one optimizer's parameters; 0 leaves it as it is.
    """

    def __init__(self, clip: float) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.clip = clip

    def descend(
        self, name: str, optimizer: LightningOptimizer, loss: Callable[[], Tensor], counted: bool = True
    ) -> Tensor:
        """One step of ``optimizer`` down ``loss``, in which no other network's gradients are computed.

        DistributedDataParallel expects every parameter in every backward pass, which two adversaries never give it.
        So its synchronisation is switched off and the gradients are averaged here, in one message.

        Args:
            name: whose step it is; the norm of its gradient is logged as ``train/gradient_<name>``.
            optimizer: from ``self.optimizers()``.
            loss: computes the () loss; called once.
            counted: whether ``trainer.global_step`` counts this step; exactly one of a batch's steps must.

        Returns:
            () the loss, detached.
        """
        value = torch.zeros(())

        def closure() -> None:
            nonlocal value
            optimizer.zero_grad()
            value = loss()
            self.manual_backward(value)
            self._treat_gradients(name, optimizer)

        with optimizer.toggle_model(sync_grad=False):
            if counted:
                optimizer.step(closure)
            else:
                # What `optimizer.step` calls too, below the counter; so precision plugins and hooks act as usual.
                self.trainer.strategy.optimizer_step(optimizer.optimizer, closure, model=self)
        return value.detach()

    def _treat_gradients(self, name: str, optimizer: LightningOptimizer) -> None:
        """Averages the gradients over the ranks, logs their norm and clips it."""
        parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        gradients = [p.grad for p in parameters]
        self._average_over_ranks(gradients)
        logged = logs_now(self)
        if not (self.clip or logged):
            return
        norm = get_total_norm(gradients)
        if self.clip:
            clip_grads_with_norm_(parameters, self.clip, norm)
        if logged:
            self.log(f"train/gradient_{name}", norm)

    def _average_over_ranks(self, tensors: Sequence[Tensor]) -> None:
        """Replaces each tensor by its mean over the ranks, in one message."""
        if self.trainer.world_size == 1 or not tensors:
            return
        flat = self.trainer.strategy.reduce(torch.cat([t.flatten() for t in tensors]), reduce_op="mean")
        for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def _optimizers(self) -> list[LightningOptimizer]:
        optimizers = self.optimizers()
        assert isinstance(optimizers, list)
        return optimizers

    def _schedules(self) -> Sequence[LRScheduler]:
        schedules = self.lr_schedulers() or []
        return schedules if isinstance(schedules, list) else [schedules]
