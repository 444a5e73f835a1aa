"""One of several optimizers steps, on all ranks alike, in a module that optimises by hand."""

from collections.abc import Callable, Sequence

import torch
from lightning import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from leyden.visualization.logging import logs_now


def optimizer_step(
    module: LightningModule,
    name: str,
    optimizer: LightningOptimizer,
    loss: Callable[[], Tensor],
    clip: float = 0.0,
    counted: bool = True,
) -> Tensor:
    """One step of an optimizer down a loss, in which no gradients of other optimizers' parameters are computed.

    DistributedDataParallel expects every parameter in every backward pass, which adversaries never give it. So its
    synchronisation is switched off and the gradients are averaged here, in one message.

    Args:
        module: attached to a trainer, with ``automatic_optimization`` off.
        name: of the player; the norm of its gradient, before clipping, is logged as ``train/gradient_<name>``.
        optimizer: one of ``module.optimizers()``.
        loss: computes the () loss; called once.
        clip: greatest norm of the gradient; 0 leaves it as it is.
        counted: whether ``trainer.global_step`` counts this step; exactly one of a batch's steps must.

    Returns:
        () the loss, detached.
    """
    value = torch.zeros(())

    def closure() -> None:
        nonlocal value
        optimizer.zero_grad()
        value = loss()
        module.manual_backward(value)
        _treat_gradients(module, name, optimizer, clip)

    with optimizer.toggle_model(sync_grad=False):
        if counted:
            optimizer.step(closure)
        else:
            # LightningOptimizer.step counts every call (https://github.com/Lightning-AI/pytorch-lightning/issues/17958).
            # This public method of Strategy is what it calls itself, so precision plugins and hooks act as usual.
            module.trainer.strategy.optimizer_step(optimizer.optimizer, closure, model=module)
    return value.detach()


def average_over_ranks(module: LightningModule, tensors: Sequence[Tensor]) -> None:
    """Replaces each tensor by its mean over the ranks, in one message."""
    if module.trainer.world_size == 1 or not tensors:
        return
    flat = module.trainer.strategy.reduce(torch.cat([t.flatten() for t in tensors]), reduce_op="mean")
    for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))


def _treat_gradients(module: LightningModule, name: str, optimizer: LightningOptimizer, clip: float) -> None:
    """Averages the gradients over the ranks, logs their norm and clips it."""
    parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    gradients = [p.grad for p in parameters]
    average_over_ranks(module, gradients)
    logged = logs_now(module)
    if not (clip or logged):
        return
    norm = get_total_norm(gradients)
    if clip:
        clip_grads_with_norm_(parameters, clip, norm)
    if logged:
        module.log(f"train/gradient_{name}", norm)
