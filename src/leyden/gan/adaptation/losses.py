"""What keeps an adapted generator near its source: pure functions."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def fisher_information(
    likelihood: Callable[[Tensor], Tensor], parameters: Mapping[str, nn.Parameter], noise: Tensor
) -> dict[str, Tensor]:
    """The diagonal of the Fisher information of weights: F_i = E_z (d L(z) / d w_i)^2 (Li et al. 2020, eq. 2).

    The paper estimates the log-likelihood L of a generated image by the source's discriminator, ln D_s(G_s(z)).

    Args:
        likelihood: noise (1, D) to the () log-likelihood of its image, with a graph to the parameters.
        parameters: by name.
        noise: (N, D), over which the mean is taken; one after the other, for squares must not cancel.

    Returns:
        for each parameter a tensor of its shape, at least 0.
    """
    found = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
    for vector in noise.split(1):
        gradients = torch.autograd.grad(likelihood(vector), list(parameters.values()))
        for total, gradient in zip(found.values(), gradients, strict=True):
            total += gradient.square() / len(noise)
    return found


def normalised(fisher: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The information over its mean over all weights, so that one penalty's weight suits networks of any size.

    Raises:
        ValueError: it is 0 everywhere, so it says nothing of any weight.
    """
    mean = torch.cat([values.flatten() for values in fisher.values()]).mean()
    if not mean > 0:
        raise ValueError("the source's discriminator is sure of every image, so no weight seems to matter to it")
    return {name: values / mean for name, values in fisher.items()}


def elastic_penalty(
    weights: Mapping[str, Tensor], source: Mapping[str, Tensor], fisher: Mapping[str, Tensor]
) -> Tensor:
    """sum_i F_i (w_i - w_s,i)^2, () (elastic weight consolidation; Li et al. 2020, eq. 3, without its lambda).

    Args:
        weights: of the adapted network, by name.
        source: where they were.
        fisher: how much each mattered there.
    """
    return torch.stack([(fisher[name] * (weights[name] - source[name]).square()).sum() for name in fisher]).sum()


def similarities(features: Tensor) -> Tensor:
    """Cosines (N, N - 1) of each of the features (N, ...) with all others (Ojha et al. 2021, section 3.1)."""
    unit = F.normalize(features.flatten(1).float(), dim=1)
    others = ~torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    return (unit @ unit.T)[others].view(len(unit), -1)


def correspondence(adapted: Sequence[Tensor], source: Sequence[Tensor]) -> Tensor:
    """How differently two generators arrange the images of the same noise among each other (Ojha et al. 2021, eq. 3).

    For each layer l and image i, a softmax over the ``similarities`` of i to the others is a distribution, y_i^l. The
    loss is the mean over l and i of KL(y_source || y_adapted), in nats: the direction of the authors' code; 0 where all
    images are as similar to each other as their sources are.

    Args:
        adapted: features (N, ...) of each layer, N from 3.
        source: likewise of the source, without a graph.

    Raises:
        ValueError: fewer than three images, of which each has one other at most, so that nothing can differ.
    """
    if len(adapted[0]) < 3:
        raise ValueError(f"a correspondence needs 3 images or more, got {len(adapted[0])}: raise data.batch_size")
    losses = []
    for own, theirs in zip(adapted, source, strict=True):
        log_own, log_theirs = (similarities(features).log_softmax(1) for features in (own, theirs))
        losses.append(F.kl_div(log_own, log_theirs, reduction="batchmean", log_target=True))
    return torch.stack(losses).mean()
