"""Penalties on the discriminator's gradient with respect to its images, which keep it smooth."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

Critic = Callable[[Tensor], Tensor]
"""Images (N, C, H, W) to logits (N,), each image by itself: batch normalisation has no gradient per image."""


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """E (||grad D(x)||_2 - 1)^2 at random points between real and generated images (Gulrajani et al. 2017, eq. 3).

    Each pair has a mixing weight of its own, and the norm is that of one image's gradient over all its pixels: one norm
    over the whole batch, a mistake of popular code, would ask for a gradient sqrt(N) times too small.

    Args:
        critic: what is kept 1-Lipschitz.
        real: (N, C, H, W).
        fake: (N, C, H, W).

    Returns:
        () penalty with a graph, at least 0; the paper multiplies it by 10.
    """
    weight = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device)
    between = real.detach().float().lerp(fake.detach().float(), weight)
    return (_gradient(critic, between).norm(2, dim=1) - 1).square().mean()


def r1(critic: Critic, real: Tensor) -> Tensor:
    """1/2 E ||grad D(x)||^2 at real images only (Mescheder et al. 2018, eq. 9).

    Args:
        critic: what is kept flat around the data.
        real: (N, C, H, W).

    Returns:
        () penalty with a graph, at least 0; multiplied by gamma, 10 in the paper.
    """
    return _gradient(critic, real.detach()).square().sum(1).mean() / 2


def path_lengths(images: Tensor, styles: Tensor) -> Tensor:
    """||J^T y||_2 for y ~ N(0, I) / sqrt(H W), J the Jacobian of an image by its style (Karras et al. 2020, eq. 4).

    How far an image moves with its style, in a random direction of images; a generator for which it is the same
    everywhere is easier to invert, and smoother.

    Args:
        images: (N, C, H, W) with a graph to ``styles``, each image by itself.
        styles: (N, L, D), a style for each layer.

    Returns:
        (N,) with a graph: the root of the squared gradient's sum over D, of its mean over the layers.
    """
    noise = torch.randn_like(images) / math.sqrt(images.shape[2] * images.shape[3])
    (gradient,) = torch.autograd.grad((images * noise).sum(), styles, create_graph=True)
    return gradient.square().sum(2).mean(1).sqrt()


def _gradient(critic: Critic, images: Tensor) -> Tensor:
    """(N, C * H * W) of each logit with respect to its image, ready for a second derivative."""
    images = images.requires_grad_()
    # In full precision: a penalty of squared bf16 gradients would be mostly rounding.
    with torch.autocast(images.device.type, enabled=False):
        (gradient,) = torch.autograd.grad(critic(images.float()).sum(), images, create_graph=True)
    return gradient.flatten(1)
