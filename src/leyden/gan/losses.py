"""Adversarial losses: pure functions on the discriminator's logits, real ones first, generated ones second.

With D the probability sigmoid(logit), -ln D = softplus(-logit) and -ln(1 - D) = softplus(logit): written so, no sigmoid
saturates or overflows. Every function takes logits (N,) of real and (M,) of generated images and returns the () mean
that its side minimises; ``LOSSES`` pairs them up.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from torch import Tensor
from torch.nn.functional import relu, softplus

LossName = Literal[
    "non_saturating", "minimax", "least_squares", "hinge", "wasserstein", "relativistic", "relativistic_average"
]


class Loss(NamedTuple):
    """What the two sides minimise."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    """Of (real, fake) logits."""
    generator: Callable[[Tensor, Tensor], Tensor]
    """Of (real, fake) logits."""
    threshold: float | None
    """The logit above which the discriminator says "real"; None where only differences of logits mean something."""
    relative: bool = False
    """Whether the generator's loss looks at the real logits."""


def logistic(real: Tensor, fake: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """D: -E ln D(x) - E ln(1 - D(G(z))) (Goodfellow et al. 2014, eq. 1, sign changed).

    2 ln 2 = 1.386 where the discriminator cannot tell. Smoothing is one-sided (Salimans et al. 2016, section 3.4): the
    target of real images becomes 1 - label_smoothing, that of fakes stays 0, because raising it would reward the
    generator's present mistakes.
    """
    on_real = softplus(-real)
    if label_smoothing:
        on_real = (1 - label_smoothing) * on_real + label_smoothing * softplus(real)
    return on_real.mean() + softplus(fake).mean()


def non_saturating(real: Tensor, fake: Tensor) -> Tensor:
    """G in practice: -E ln D(G(z)) (Goodfellow et al. 2014, end of section 3); ln 2 where D cannot tell.

    Its gradient is largest where the discriminator is surest, so a poor generator learns fastest.
    """
    return softplus(-fake).mean()


def minimax(real: Tensor, fake: Tensor) -> Tensor:
    """G with the minimax loss: E ln(1 - D(G(z))) (Goodfellow et al. 2014, eq. 1); -ln 2 where D cannot tell.

    Its gradient vanishes where the discriminator is sure: the reason for ``non_saturating``.
    """
    return -softplus(fake).mean()


def least_squares(real: Tensor, fake: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """D: 1/2 E (D(x) - 1)^2 + 1/2 E D(G(z))^2 (Mao et al. 2017, eq. 9), 1/4 where D says 1/2 to all."""
    return ((real - 1 + label_smoothing).square().mean() + fake.square().mean()) / 2


def least_squares_generator(real: Tensor, fake: Tensor) -> Tensor:
    """G: 1/2 E (D(G(z)) - 1)^2 (Mao et al. 2017, eq. 9)."""
    return (fake - 1).square().mean() / 2


def hinge(real: Tensor, fake: Tensor) -> Tensor:
    """D: E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))) (Miyato et al. 2018, eq. 16); 2 where D says 0 to all."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def wasserstein(real: Tensor, fake: Tensor) -> Tensor:
    """D: E D(G(z)) - E D(x) (Arjovsky et al. 2017, eq. 2), for a critic that is kept 1-Lipschitz by other means."""
    return fake.mean() - real.mean()


def raise_fakes(real: Tensor, fake: Tensor) -> Tensor:
    """G: -E D(G(z)), beside the hinge (Miyato et al. 2018, eq. 17) and the Wasserstein critic."""
    return -fake.mean()


def relativistic(real: Tensor, fake: Tensor) -> Tensor:
    """D: -E ln sigmoid(D(x) - D(G(z))) over pairs of the two batches (Jolicoeur-Martineau 2018, eq. 5); needs N = M."""
    return softplus(fake - real).mean()


def relativistic_generator(real: Tensor, fake: Tensor) -> Tensor:
    """G: -E ln sigmoid(D(G(z)) - D(x)) (Jolicoeur-Martineau 2018, eq. 6)."""
    return softplus(real - fake).mean()


def relativistic_average(real: Tensor, fake: Tensor) -> Tensor:
    """D: each image against the mean of the other batch (Jolicoeur-Martineau 2018, section 4.2).

    -E ln sigmoid(D(x) - E D(G(z))) - E ln(1 - sigmoid(D(G(z)) - E D(x))); 2 ln 2 where D cannot tell.
    """
    return softplus(fake.mean() - real).mean() + softplus(fake - real.mean()).mean()


def relativistic_average_generator(real: Tensor, fake: Tensor) -> Tensor:
    """G: ``relativistic_average`` with the roles of real and generated logits exchanged."""
    return relativistic_average(fake, real)


LOSSES: dict[str, Loss] = {
    "non_saturating": Loss(logistic, non_saturating, 0.0),
    "minimax": Loss(logistic, minimax, 0.0),
    "least_squares": Loss(least_squares, least_squares_generator, 0.5),
    "hinge": Loss(hinge, raise_fakes, 0.0),
    "wasserstein": Loss(wasserstein, raise_fakes, None),
    "relativistic": Loss(relativistic, relativistic_generator, None, relative=True),
    "relativistic_average": Loss(relativistic_average, relativistic_average_generator, None, relative=True),
}
"""By the name that a technique's ``loss`` argument takes."""
SMOOTHED = ("non_saturating", "minimax", "least_squares")
"""Those whose discriminator has a target that can be smoothed."""
