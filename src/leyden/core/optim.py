"""Learning rates over a run, and parameter groups with weight decay on weights only."""

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

Schedule = Literal["constant", "linear", "late_linear", "cosine", "step"]


def cosine(t: float) -> float:
    """Half a cosine from 1 to 0 (Loshchilov and Hutter 2017, "SGDR", eq. 5, without restarts).

    Args:
        t: progress of the run, 0 to 1.
    """
    return (1 + math.cos(math.pi * t)) / 2


SCHEDULES: dict[Schedule, Callable[[float], float]] = {
    "constant": lambda t: 1.0,
    "linear": lambda t: 1 - t,
    "late_linear": lambda t: min(1.0, 2 * (1 - t)),
    "cosine": cosine,
    "step": lambda t: 1.0 if t < 0.5 else 0.1,
}
"""The factor on the learning rate as a function of the run's progress t, 0 to 1."""


def warmup_cosine(t: float, warmup: float) -> float:
    """A factor that grows linearly from nearly 0 to 1, then falls to 0 along half a cosine.

    Args:
        t: progress of the run, 0 to 1.
        warmup: the part of the run in which it grows, 0 to below 1.
    """
    if t < warmup:
        return (t + 1e-3) / (warmup + 1e-3)
    return cosine((t - warmup) / (1 - warmup))


def scheduled(optimizer: Optimizer, factor: Callable[[float], float], steps: float) -> LambdaLR:
    """A scheduler that multiplies each group's learning rate by ``factor`` of the run's progress.

    Args:
        optimizer: its groups' learning rates count as 1.
        factor: from progress, 0 to 1, to the factor; one of ``SCHEDULES``, or any other.
        steps: optimizer steps of the whole run; later ones count as the last.
    """
    return LambdaLR(optimizer, lambda step: factor(min(1.0, step / steps)))


def parameter_groups(
    parameters: Iterable[nn.Parameter],
    lr: float,
    weight_decay: float,
    slow: Iterable[nn.Parameter] = (),
    slow_factor: float = 1.0,
) -> list[dict[str, Any]]:
    """Groups for an optimizer in which only weights decay, and some parameters learn at a rate of their own.

    Args:
        parameters: those that require no gradient are left out.
        lr: learning rate.
        weight_decay: of parameters with two dimensions or more; norms and biases have none.
        slow: parameters, such as those of a pretrained backbone, whose learning rate is ``slow_factor * lr``.
        slow_factor: see ``slow``.
    """
    slow_ids = {id(parameter) for parameter in slow}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in parameters:
        if parameter.requires_grad:
            rate = lr * (slow_factor if id(parameter) in slow_ids else 1)
            groups.setdefault((rate, weight_decay if parameter.ndim > 1 else 0.0), []).append(parameter)
    return [{"params": params, "lr": rate, "weight_decay": decay} for (rate, decay), params in groups.items()]
