"""How the losses of several tasks become one step: equal weights, uncertainty, GradNorm, PCGrad.

Each is a module that takes the losses of a step and returns a scalar whose gradient is the step; what it learns itself
(log variances, weights) are its parameters. No second optimizer and no manual step is needed, so DDP, precision and
resuming are Lightning's own.
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn

from leyden.core.seeding import mix

WeightingName = Literal["equal", "uncertainty", "gradnorm", "pcgrad"]


class Weighting(nn.Module):
    """Base: equal weights, the plain sum of the losses.

    Args:
        classes: of each task; 0 for a task of numbers.
    """

    def __init__(self, classes: Sequence[int]) -> None:
        super().__init__()
        self.classes = list(classes)

    def forward(self, losses: Sequence[Tensor], shared: Sequence[nn.Parameter], own: Sequence[nn.Parameter]) -> Tensor:
        """() whose gradient is the step.

        Args:
            losses: () of each task.
            shared: parameters that all tasks have in common, those of the last layer at the end.
            own: all parameters of single tasks.
        """
        return torch.stack(list(losses)).sum()

    @property
    def weights(self) -> Tensor:
        """(T,) factor on each task's loss."""
        return torch.ones(len(self.classes))


def uncertainty_loss(losses: Tensor, log_variances: Tensor, is_class: Tensor) -> Tensor:
    """Sum over tasks of exp(-s) L + s / 2 for classes, of exp(-s) L / 2 + s / 2 for numbers (Kendall et al. 2018).

    Their eq. 7 and 10, with s = log sigma^2 in place of sigma, which keeps variances positive. For numbers L is a mean
    squared error, and s is best where exp(s) = L; for classes L is a cross-entropy, and s is best where exp(s) = 2 L.

    Args:
        losses: (T,) >= 0.
        log_variances: (T,) s.
        is_class: (T,) bool.

    Returns:
        () loss.
    """
    precision = (-log_variances).exp() * torch.where(is_class, 1.0, 0.5)
    return (precision * losses + log_variances / 2).sum()


class Uncertainty(Weighting):
    """Kendall, Gal and Cipolla 2018, "Multi-Task Learning Using Uncertainty to Weigh Losses": learnt log variances.

    A task whose loss stays large, for its unit or its noise, is taken for an uncertain one and weighs less.
    """

    is_class: Tensor

    def __init__(self, classes: Sequence[int]) -> None:
        super().__init__(classes)
        self.log_variances = nn.Parameter(torch.zeros(len(classes)))
        self.register_buffer("is_class", torch.tensor(classes) > 0, persistent=False)

    def forward(self, losses: Sequence[Tensor], shared: Sequence[nn.Parameter], own: Sequence[nn.Parameter]) -> Tensor:
        """``uncertainty_loss`` of the losses."""
        return uncertainty_loss(torch.stack(list(losses)), self.log_variances, self.is_class)

    @property
    def weights(self) -> Tensor:
        """(T,) exp(-s), for numbers its half."""
        return (-self.log_variances.detach()).exp() * torch.where(self.is_class, 1.0, 0.5)


def gradnorm_targets(norms: Tensor, ratios: Tensor, alpha: float) -> Tensor:
    """The gradient norms that GradNorm aims at: mean norm times (relative inverse training rate)^alpha.

    Chen et al. 2018, eq. 1: r_i = ratio_i / mean ratio.

    Args:
        norms: (T,) of the gradients of the weighted losses.
        ratios: (T,) loss divided by its value at the start.
        alpha: 0 makes all norms equal; the larger, the more a slow task gets.

    Returns:
        (T,) constants.
    """
    return (norms.mean() * (ratios / ratios.mean()) ** alpha).detach()


class GradNorm(Weighting):
    """Chen et al. 2018, "GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep Multitask Networks".

    Each task's weight w_i learns so that its gradient's norm on the last shared layer, G_i = w_i ||dL_i/dW||, comes
    near its target, by the loss sum |G_i - target_i|. As G_i is linear in w_i, that loss's gradient is known:
    sign(G_i - target_i) ||dL_i/dW||, and no second derivative is computed. Weights sum to the number of tasks.

    The losses at the start are those of guessing: log C of C classes, 1 of numbers in units of their spread.

    Args:
        classes: of each task; 0 for a task of numbers.
        alpha: see ``gradnorm_targets``.
        scales: (T,) factor on each task's loss at the start.
    """

    start: Tensor

    def __init__(self, classes: Sequence[int], alpha: float, scales: Sequence[float]) -> None:
        super().__init__(classes)
        self.alpha = alpha
        self.task_weights = nn.Parameter(torch.ones(len(classes)))
        guessing = torch.tensor([max(count, 1) for count in classes]).log() + (torch.tensor(classes) == 0)
        self.register_buffer("start", guessing * torch.tensor(scales), persistent=False)

    def forward(self, losses: Sequence[Tensor], shared: Sequence[nn.Parameter], own: Sequence[nn.Parameter]) -> Tensor:
        """The weighted sum, and a term whose gradient by the weights is that of GradNorm's loss."""
        self.renormalise()
        values = torch.stack(list(losses))
        last = next(parameter for parameter in reversed(list(shared)) if parameter.ndim > 1)
        gradients = [torch.autograd.grad(loss, last, retain_graph=True)[0] for loss in losses]
        norms = torch.stack([gradient.norm() for gradient in gradients])
        weighted = self.task_weights.detach() * norms
        targets = gradnorm_targets(weighted, values.detach() / self.start, self.alpha)
        slope = (weighted - targets).sign() * norms
        return (self.task_weights.detach() * values).sum() + (self.task_weights * slope).sum() - self._constant(slope)

    def _constant(self, slope: Tensor) -> Tensor:
        """Takes the value of the term away, not its gradient, so that the loss that is logged is the weighted sum."""
        return (self.task_weights.detach() * slope).sum()

    @property
    def weights(self) -> Tensor:
        """(T,) w, which summed to T when the step began."""
        return self.task_weights.detach()

    @torch.no_grad()
    def renormalise(self) -> None:
        """Makes the weights positive, with the number of tasks as their sum, as the optimizer has moved them."""
        self.task_weights.clamp_(min=1e-3)
        self.task_weights.mul_(len(self.task_weights) / self.task_weights.sum())


def project_conflicts(gradients: Tensor, seed: int) -> Tensor:
    """Takes out of each gradient its part against another (Yu et al. 2020, algorithm 1).

    For each task i and all others j in random order: where g_i . g_j < 0, g_i loses its component along g_j, the
    other's gradient as it was before any projection.

    Args:
        gradients: (T, D), a row per task.
        seed: of the orders.

    Returns:
        (T, D); the step is their sum.
    """
    generator = torch.Generator().manual_seed(seed)
    squares = gradients.square().sum(1)
    projected = gradients.clone()
    for i, gradient in enumerate(projected):
        for j in torch.randperm(len(gradients), generator=generator).tolist():
            product = gradient @ gradients[j]
            if j != i and product < 0:
                gradient -= product / squares[j] * gradients[j]
    return projected


def conflicts(gradients: Tensor) -> Tensor:
    """() float32: the fraction of pairs of rows of (T, D) whose product is below 0; 0 for one row."""
    products = gradients @ gradients.T
    pairs = len(gradients) * (len(gradients) - 1)
    return (products < 0).sum() / max(1, pairs)


class PCGrad(Weighting):
    """Yu et al. 2020, "Gradient Surgery for Multi-Task Learning": the tasks' gradients on the shared parameters are
    projected onto one another's normal plane where they conflict, and summed.

    The paper sums; a much-copied version takes the mean, which is a learning rate divided by the number of tasks.
    Under DDP each task's gradient is averaged over the ranks before it is projected, as on one large batch.
    """

    def __init__(self, classes: Sequence[int]) -> None:
        super().__init__(classes)
        self.steps = 0
        """So far: the seed of the next step's orders; it travels in checkpoints."""
        self.conflict = 0.0
        """Fraction of conflicting pairs in the last step."""

    def forward(self, losses: Sequence[Tensor], shared: Sequence[nn.Parameter], own: Sequence[nn.Parameter]) -> Tensor:
        """() whose gradient is the projected sum on what is shared, and the plain one on what is a task's own."""
        values = torch.stack(list(losses))
        chosen = [*shared, *own]
        found = [torch.autograd.grad(loss, chosen, retain_graph=True, allow_unused=True) for loss in losses]
        rows = torch.stack([_flat(gradients[: len(shared)], shared) for gradients in found])
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(rows)
            rows /= dist.get_world_size()
        self.conflict = float(conflicts(rows))
        step = project_conflicts(rows, mix(self.steps)).sum(0)
        self.steps += 1
        alone = torch.stack([_flat(gradients[len(shared) :], own) for gradients in found]).sum(0)
        # The gradient of p . g by p is g: so the step goes the way of every other one, through backward and DDP.
        product = _flat(shared, shared) @ step + _flat(own, own) @ alone
        return values.sum().detach() + product - product.detach()

    def get_extra_state(self) -> Tensor:
        """The number of steps."""
        return torch.tensor(self.steps)

    def set_extra_state(self, state: Tensor) -> None:
        """Takes it back."""
        self.steps = int(state)


def _flat(tensors: Sequence[Tensor | None], like: Sequence[nn.Parameter]) -> Tensor:
    """Tensors of the shapes ``like`` as one vector; None stands for zeros."""
    parts = [parameter.new_zeros(parameter.numel()) if tensor is None else tensor.flatten()
             for tensor, parameter in zip(tensors, like, strict=True)]  # fmt: skip
    return torch.cat(parts)


def new_weighting(name: str, classes: Sequence[int], alpha: float, scales: Sequence[float]) -> Weighting:
    """The weighting of a name.

    Raises:
        ValueError: an unknown name.
    """
    if name == "gradnorm":
        return GradNorm(classes, alpha, scales)
    found = {"equal": Weighting, "uncertainty": Uncertainty, "pcgrad": PCGrad}
    if name not in found:
        raise ValueError(f"model.weighting={name!r}: there are equal, uncertainty, gradnorm, pcgrad")
    return found[name](classes)
