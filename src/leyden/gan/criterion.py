"""What the two sides minimise on images: the loss that the options choose, penalties, and what D sees of an image."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from leyden.gan import penalties
from leyden.gan.augment import color_jitter, cutout, translate
from leyden.gan.losses import LOSSES
from leyden.gan.options import AdversarialOptions
from leyden.gan.penalties import Critic

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
NORMED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
"""Layers of the discriminator that spectral normalisation acts on."""

Watch = Callable[[Tensor, Tensor], None]
"""Is shown a discriminator's logits (N,) of real and (M,) of generated images."""


class Criterion:
    """Computes both sides' losses for any critic, a function from images (N, C, H, W) to logits.

    Args:
        options: see ``AdversarialOptions``; those of the loss, the penalties and the augmentation are read.
    """

    def __init__(self, options: AdversarialOptions) -> None:
        self.options = options
        self.loss = LOSSES[options.loss]
        if options.label_smoothing:
            smoothed: Any = self.loss.discriminator
            self.loss = self.loss._replace(discriminator=partial(smoothed, label_smoothing=options.label_smoothing))

    def constrain(self, discriminator: nn.Module) -> nn.Module:
        """The discriminator, in place, with spectral normalisation if that is asked for.

        Raises:
            ValueError: it normalises over the batch, and a penalty needs a gradient per image.
        """
        batch_norm = any(isinstance(layer, BATCH_NORMS) for layer in discriminator.modules())
        for name, weight in {"gradient_penalty": self.options.penalty_weight, "r1": self.options.r1}.items():
            if weight and batch_norm:
                raise ValueError(
                    f"model.{name}={weight:g} needs a gradient per image, which batch normalisation mixes: "
                    "set model.discriminator_norm to layer or none"
                )
        if self.options.spectral_norm:
            for layer in list(discriminator.modules()):
                if isinstance(layer, NORMED):
                    spectral_norm(layer)
        return discriminator

    def augment(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) in -1..1 as D sees them: randomly changed, differentiable (``leyden.gan.augment``)."""
        options = self.options
        return cutout(translate(color_jitter(images, options.color_jitter), options.translation), options.cutout)

    def discriminator_loss(self, critic: Critic, real: Tensor, fake: Tensor, watch: Watch | None = None) -> Tensor:
        """D's loss with penalties, () with a graph.

        Real and generated images pass the critic in separate batches, or its normalisation would tell them apart by
        their statistics.

        Args:
            critic: whose loss it is.
            real: (N, C, H, W).
            fake: (N, C, H, W), as constants.
            watch: is shown the logits of both.
        """
        on_real, on_fake = critic(real), critic(fake)
        if watch is not None:
            watch(on_real, on_fake)
        return self.loss.discriminator(on_real, on_fake) + self.penalty(critic, real, fake)

    def penalty(self, critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        """The weighted penalties on the critic's gradient, () with a graph; 0 if there are none."""
        total = torch.zeros((), device=real.device)
        if weight := self.options.penalty_weight:
            total = total + weight * penalties.gradient_penalty(critic, real, fake)
        if gamma := self.options.r1:
            total = total + gamma * penalties.r1(critic, real)
        return total

    def generator_loss(self, critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        """G's loss, () with a graph; the critic sees the real images only where the loss compares with them."""
        on_fake = critic(fake)
        return self.loss.generator(critic(real) if self.loss.relative else on_fake, on_fake)
