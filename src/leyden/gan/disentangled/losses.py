"""The two parts of a variational autoencoder's loss."""

from typing import Literal

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

Likelihood = Literal["bernoulli", "gaussian"]
"""Of a pixel given the latents."""


def divergences(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, e^log_variance) | N(0, 1)) in nats of each latent: (N, D) of (N, D)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


def reconstruction_loss(raw: Tensor, images: Tensor, likelihood: Likelihood) -> Tensor:
    """-ln p(x | z) () up to a constant: summed over pixels and channels, the mean over images.

    Args:
        raw: (N, C, S, S) the decoder's output: logits, or means of Gaussians.
        images: (N, C, S, S) in 0..1.
        likelihood: "bernoulli" is the binary cross-entropy, "gaussian" half the squared error.
    """
    if likelihood == "bernoulli":
        return binary_cross_entropy_with_logits(raw, images, reduction="sum") / len(images)
    return (raw - images).square().sum() / (2 * len(images))
