"""Adversarial losses on logits, written with softplus(x) = ln(1 + e^x), so that no sigmoid saturates or overflows.

With D the probability sigmoid(logit): -ln D = softplus(-logit) and -ln(1 - D) = softplus(logit).
"""

from torch import Tensor
from torch.nn.functional import softplus


def discriminator_loss(real: Tensor, fake: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """What the discriminator descends: -E ln D(x) - E ln(1 - D(G(z))) (Goodfellow et al. 2014, eq. 1, sign changed).

    2 ln 2 = 1.386 where the discriminator cannot tell. Smoothing is one-sided (Salimans et al. 2016, section 3.4): the
    target of real images becomes 1 - label_smoothing, that of fakes stays 0, because raising it would reward the
    generator's present mistakes.

    Args:
        real: (N,) logits of real images.
        fake: (M,) logits of generated images.
        label_smoothing: in [0, 1).

    Returns:
        () loss, at least 0.
    """
    on_real = (1 - label_smoothing) * softplus(-real) + label_smoothing * softplus(real)
    return on_real.mean() + softplus(fake).mean()


def non_saturating(fake: Tensor) -> Tensor:
    """What the generator descends in practice: -E ln D(G(z)) (Goodfellow et al. 2014, end of section 3).

    Its gradient is largest where the discriminator is surest, so a poor generator learns fastest.

    Args:
        fake: (N,) logits of generated images.

    Returns:
        () loss; ln 2 = 0.693 where the discriminator cannot tell.
    """
    return softplus(-fake).mean()


def minimax(fake: Tensor) -> Tensor:
    """The generator's side of the minimax game: E ln(1 - D(G(z))) (Goodfellow et al. 2014, eq. 1).

    Its gradient vanishes where the discriminator is sure: the reason for ``non_saturating``.

    Args:
        fake: (N,) logits of generated images.

    Returns:
        () loss, at most 0; -ln 2 where the discriminator cannot tell.
    """
    return -softplus(fake).mean()


GENERATOR_LOSSES = {"non_saturating": non_saturating, "minimax": minimax}
"""By the name that a technique's ``loss`` argument takes."""
