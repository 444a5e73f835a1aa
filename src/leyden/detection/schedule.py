"""How detectors learn: the optimizer, what is decayed, and the course of the rate."""

import math
from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import nn


def warm_cosine(progress: float, warmup: float) -> float:
    """The factor on the learning rate at ``progress`` in [0, 1]: up to 1 along a line, down to 0 along a cosine."""
    if progress < warmup:
        return (progress + 1e-3) / (warmup + 1e-3)
    return (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2


def optimize(
    module: nn.Module,
    steps: float,
    optimizer: Literal["adamw", "sgd"],
    lr: float,
    weight_decay: float,
    warmup: float,
    slow: Iterable[nn.Parameter] = (),
    slowness: float = 1.0,
) -> dict[str, Any]:
    """What ``configure_optimizers`` returns: weight decay on weights only; a linear warm-up, then a cosine to zero.

    Args:
        module: whose parameters learn, where they want gradients.
        steps: optimizer steps of the whole run.
        optimizer: "adamw", or "sgd" with momentum 0.9.
        lr: greatest learning rate.
        weight_decay: of weights; norms and biases are spared.
        warmup: share of the steps in which the rate grows from 0.
        slow: parameters, such as those of a backbone with weights, whose rate is
        slowness: this much of the others'.
    """
    slowly = {id(parameter) for parameter in slow}
    alike: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in module.parameters():
        if parameter.requires_grad:
            rate = lr * (slowness if id(parameter) in slowly else 1)
            alike.setdefault((rate, weight_decay if parameter.ndim > 1 else 0.0), []).append(parameter)
    groups = [{"params": some, "lr": rate, "weight_decay": decay} for (rate, decay), some in alike.items()]
    sgd = optimizer == "sgd"
    made = torch.optim.SGD(groups, lr=lr, momentum=0.9) if sgd else torch.optim.AdamW(groups, lr=lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(made, lambda step: warm_cosine(step / steps, warmup))
    return {"optimizer": made, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
