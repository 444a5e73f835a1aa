"""The first adversarial networks (Goodfellow et al. 2014, "Generative Adversarial Nets"), of fully connected layers.

G turns noise z ~ N(0, I) into an image, D tells images from the data and from G apart. Their objective is

    min_G max_D  E ln D(x) + E ln(1 - D(G(z)))         (eq. 1)

With ``loss`` "minimax" G minimises that very value; with "non_saturating", the default as in the paper's experiments
(end of section 3), it minimises -E ln D(G(z)) instead, which has the same fixed point and a gradient while D is surer.

Where we depart: hidden units are ReLU in G and LeakyReLU(0.2) in D, where the paper has ReLU and sigmoid in G and
maxout in D; dropout in D, which the paper always has, is an option, because a shorter run with few images gains more
from the augmentation of ``leyden.gan.augment``; pixels are -1..1 through tanh instead of 0..1 through a sigmoid; noise
is Gaussian instead of uniform; Adam instead of momentum; samples come from a moving average of G.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, Unpack

import torch
from torch import Tensor, nn

from leyden.core.technique import Predictions
from leyden.data.columns import LabelledImages
from leyden.gan.base import AdversarialTask, Player
from leyden.gan.noise_to_image.evaluation import SamplingEvaluation
from leyden.gan.noise_to_image.options import SamplingKwargs, SamplingOptions
from leyden.gan.noise_to_image.sampler import NoiseSampler
from leyden.gan.pixels import to_signed, to_uint8

Norm = Literal["batch", "none"]
"""Between a hidden layer of G and its activation."""


class Generator(nn.Sequential):
    """Noise (N, latent_dim) to images (N, channels, image_size, image_size) in -1..1."""

    def __init__(
        self, channels: int, image_size: int, widths: Sequence[int], latent_dim: int, norm: Norm = "none"
    ) -> None:
        layers: list[nn.Module] = []
        for before, after in pairwise([latent_dim, *widths]):
            layers += [nn.Linear(before, after, bias=norm == "none")]
            layers += [nn.BatchNorm1d(after)] if norm == "batch" else []
            layers += [nn.ReLU(True)]
        layers += [nn.Linear(widths[-1], channels * image_size**2), nn.Tanh()]
        super().__init__(*layers, nn.Unflatten(1, (channels, image_size, image_size)))


class Discriminator(nn.Sequential):
    """Images (N, channels, image_size, image_size) to logits (N,); positive means real."""

    def __init__(self, channels: int, image_size: int, widths: Sequence[int], dropout: float = 0.0) -> None:
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in pairwise([channels * image_size**2, *widths]):
            layers += [nn.Linear(before, after), nn.LeakyReLU(0.2, True)]
            layers += [nn.Dropout(dropout)] if dropout else []
        super().__init__(*layers, nn.Linear(widths[-1], 1), nn.Flatten(0))


class VanillaGAN(AdversarialTask):
    """Trains the two networks on uint8 images of any size; ``val/fid`` chooses the best checkpoint.

    Args:
        class_names: one per class of the data; only the evaluation of the samples uses them.
        channels: 1 for grey, 3 for RGB.
        image_size: side of the images in pixels, any.
        generator_widths: units of G's hidden layers, from the noise to the image.
        discriminator_widths: units of D's hidden layers, from the image to the logit.
        latent_dim: length of the noise vector.
        generator_norm: "none" as in the paper, or "batch".
        dropout: fraction of D's hidden units that are dropped in training; 0.5 in the paper, 0 leaves it out.
        options: see ``SamplingOptions``.

    Raises:
        ValueError: a network has no hidden layer, or an option is outside its range.
    """

    options_type = SamplingOptions
    options: SamplingOptions

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        generator_widths: Sequence[int] = (1200, 1200),
        discriminator_widths: Sequence[int] = (240, 240),
        latent_dim: int = 100,
        generator_norm: Norm = "none",
        dropout: float = 0.0,
        **options: Unpack[SamplingKwargs],
    ) -> None:
        super().__init__(**options)
        self.save_hyperparameters(logger=False)
        for name, widths in {"generator": generator_widths, "discriminator": discriminator_widths}.items():
            if not widths or min(widths) < 1:
                raise ValueError(f"model.{name}_widths needs a number of units for each hidden layer, got {widths}")
        if not 0 <= dropout < 1:
            raise ValueError(f"model.dropout is a fraction of units in [0, 1), got {dropout}")
        self.sampler = NoiseSampler(self.generate, latent_dim, class_names)
        self.evaluation = SamplingEvaluation(self.sampler, self.options)
        self.generator = Generator(channels, image_size, generator_widths, latent_dim, generator_norm)
        self.discriminator = Discriminator(channels, image_size, discriminator_widths, dropout)
        self.criterion.constrain(self.discriminator)
        self.set_players(
            discriminator=Player(self.discriminator, self.discriminator_loss, self.options.lr_discriminator),
            generator=Player(self.generator, self.generator_loss, self.options.lr_generator, self.options.n_critic),
        )

    def prepare(self, batch: LabelledImages) -> tuple[Tensor, Tensor]:
        """Real images x and as many generated ones G(z), (N, C, S, S) in -1..1."""
        real = to_signed(batch.images)
        with self.graph_for("generator"):
            return real, self.generator(self.sampler.noise(len(real)))

    def critic(self, images: Tensor) -> Tensor:
        """D's float32 logits (N,) of images (N, C, S, S) in -1..1, which it sees augmented."""
        return self.discriminator(self.criterion.augment(images)).float()

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """-E ln D(x) - E ln(1 - D(G(z))) (eq. 1), or as ``loss`` says, () with a graph to D.

        Real and generated images pass D together, which is faster: it normalises over none of them.
        """
        fake = fake.detach()
        on_real, on_fake = self.critic(torch.cat([real, fake])).chunk(2)
        self.watch(on_real, on_fake)
        return self.criterion.loss.discriminator(on_real, on_fake) + self.criterion.penalty(self.critic, real, fake)

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """-E ln D(G(z)), or as ``loss`` says, () with a graph to G."""
        return self.criterion.generator_loss(self.critic, real, fake)

    def generate(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """uint8 images (N, C, H, W) of the averaged generator for ``noise`` (N, latent_dim); labels have no meaning."""
        return to_uint8(self.ema(noise))

    def sample(self, count: int, label: str | None = None, seed: int | None = None) -> Predictions:
        """A row and an image for each of ``count`` samples; see ``leyden.core.technique.Samples``."""
        return self.sampler.sample(count, label, seed)
