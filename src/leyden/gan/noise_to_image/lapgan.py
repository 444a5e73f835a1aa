"""LAPGAN (Denton, Chintala, Szlam and Fergus 2015, "Deep Generative Image Models using a Laplacian Pyramid of
Adversarial Networks").

An image is a small image and, for each doubling of its side, the detail that the enlarged one lacks (see
``leyden.gan.noise_to_image.pyramid``). One GAN makes the small image out of noise; at each finer level another makes
the detail h_k, given the enlarged image l_k and noise. Sampling goes from coarse to fine, u being the enlargement
(eq. 3):

    I~_K = G_K(z_K),    I~_k = u(I~_{k+1}) + G_k(z_k, u(I~_{k+1}))

Training takes each level by itself (figure 2): D_k tells the details h_k of real images from G_k(z_k, l_k), and both
networks are given the l_k of *real* images, never what coarser generators make. D_k adds l_k to either before its first
convolution, so it looks at an image; G_k ends in a convolution without tanh, because a detail may reach from -2 to 2.

All levels share an optimizer for the generators and one for the discriminators, and a loss that is the sum over levels.
That is the same as training each level alone: no weight of one level is in another level's loss, so each gradient is
that of its own level's loss, and Adam treats every weight by itself. Only ``clip`` acts on all levels together.

Where we depart: the coarsest level is a small DCGAN instead of fully connected; details are made by 5x5 and seen by
4x4 convolutions instead of 7x7 and 5x5, D halving the side down to 4; Adam instead of momentum, no dropout; noise is
Gaussian instead of uniform; every batch shows D_k real and made details instead of tossing a coin for each image. As in
the authors' code are bilinear scaling both ways, one plane of noise per level, the class as one more plane, and no
normalisation where details are made or seen.
"""

from typing import Unpack

import torch
from torch import Tensor, nn

from leyden.core.technique import Predictions
from leyden.data.columns import LabelledImages
from leyden.gan.base import AdversarialTask, Player
from leyden.gan.noise_to_image.dcgan import Norm, initialise
from leyden.gan.noise_to_image.evaluation import SamplingEvaluation
from leyden.gan.noise_to_image.lapgan_nets import (
    CoarseGenerator,
    DetailGenerator,
    Discriminator,
    Generators,
    level_sides,
)
from leyden.gan.noise_to_image.options import SamplingKwargs, SamplingOptions
from leyden.gan.noise_to_image.pyramid import decompose
from leyden.gan.noise_to_image.sampler import NoiseSampler
from leyden.gan.penalties import Critic
from leyden.gan.pixels import to_signed, to_uint8
from leyden.visualization.grid import grid, side_by_side, upscale
from leyden.visualization.logging import log_image

Condition = tuple[Tensor, Tensor | None]
"""What both networks of a level are given: low pass (N, C, S, S), 0 at the coarsest, and labels (N,) if conditional."""


class LAPGAN(AdversarialTask):
    """Trains a GAN per pyramid level on uint8 images; ``val/fid`` of whole samples chooses the best checkpoint.

    The losses in the log are sums over the levels that learn from that batch; the monitor's curves and verdict are
    those of the coarsest level.

    Args:
        class_names: one per class of the data; unconditional, only the evaluation of the samples uses them.
        channels: 1 for grey, 3 for RGB.
        image_size: side of the images in pixels: ``coarsest``, doubled once or more.
        coarsest: side of the small image that everything begins with: 4, 8, 16 or another power of two.
        coarse_channels: channels of the coarsest level's layers nearest to the image, doubled at each halving.
        detail_channels: of all hidden layers of G at each finer level; D's first has twice as many, or it does not see
            that details are too strong, and all double from there.
        latent_dim: length of the coarsest level's noise; each finer one has a number per pixel.
        detail_every: finer levels learn from every so many batches, the coarsest, which is the cheapest and has most to
            learn, from all; levels are trained independently of each other. Each level counts its own batches for
            ``n_critic``: its G learns from every so many of those from which its D does.
        generator_norm: of the coarsest level, "batch", "layer" or "none"; the paper has none.
        discriminator_norm: of the coarsest level, "batch", "layer" or "none"; a gradient penalty or R1 needs one of
            the last two.
        conditional: gives all networks the class (section 2.3).
        options: see ``SamplingOptions``.

    Raises:
        ValueError: ``image_size`` does not fit ``coarsest``, or an option does not fit.
    """

    options_type = SamplingOptions
    options: SamplingOptions
    evaluation: SamplingEvaluation

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        coarsest: int = 8,
        coarse_channels: int = 64,
        detail_channels: int = 32,
        latent_dim: int = 100,
        detail_every: int = 1,
        generator_norm: Norm = "batch",
        discriminator_norm: Norm = "batch",
        conditional: bool = False,
        **options: Unpack[SamplingKwargs],
    ) -> None:
        super().__init__(**options)
        self.save_hyperparameters(logger=False)
        sides = level_sides(image_size, coarsest)
        if detail_every < 1:
            raise ValueError(f"model.detail_every={detail_every} counts batches, from 1")
        self.detail_every, self.conditional = detail_every, conditional
        self.noise_sizes = [side * side for side in sides[:-1]] + [latent_dim]
        self.sampler = NoiseSampler(self.generate, sum(self.noise_sizes), class_names, conditional)
        self.evaluation = SamplingEvaluation(self.sampler, self.options)
        classes = len(class_names) if conditional else 0
        self.generator = Generators(DetailGenerator(channels, side, detail_channels, classes) for side in sides[:-1])
        self.generator.append(CoarseGenerator(channels, coarsest, coarse_channels, latent_dim, generator_norm, classes))
        self.discriminator = nn.ModuleList(
            Discriminator(channels, side, 2 * detail_channels, "none", classes) for side in sides[:-1]
        )
        self.discriminator.append(Discriminator(channels, coarsest, coarse_channels, discriminator_norm, classes))
        initialise(self.generator[-1])
        initialise(self.discriminator[-1])
        self.criterion.constrain(self.discriminator)
        self.set_players(
            discriminator=Player(self.discriminator, self.discriminator_loss, self.options.lr_discriminator),
            generator=Player(self.generator, self.generator_loss, self.options.lr_generator, self.options.n_critic),
        )

    def learns(self, player: str, level: int) -> bool:
        """Whether a level's network of a player learns from the present batch."""
        every = self.detail_every if level < len(self.noise_sizes) - 1 else 1
        return self.global_step % every == 0 and (self.global_step // every + 1) % self.players[player].every == 0

    def turns(self) -> list[str]:
        """The players of which a level learns from the present batch, in order."""
        levels = range(len(self.noise_sizes))
        return [name for name in self.players if any(self.learns(name, level) for level in levels)]

    def prepare(self, batch: LabelledImages) -> tuple[list[Tensor], list[Tensor], list[Condition]]:
        """Of the levels that learn from this batch, fine to coarse: real details h_k, generated ones, conditions."""
        real, low_passes = decompose(to_signed(batch.images), len(self.noise_sizes))
        labels = batch.labels if self.conditional else None
        first = 0 if self.learns("discriminator", 0) else len(real) - 1
        conditions: list[Condition] = [(low_pass, labels) for low_pass in low_passes[first:]]
        noise = self.sampler.noise(len(batch.images)).split(self.noise_sizes, 1)
        with self.graph_for("generator"):
            learning = zip(self.generator[first:], noise[first:], conditions, strict=True)
            fake = [generator(z, *condition) for generator, z, condition in learning]
        return real[first:], fake, conditions

    def critic(self, level: int, low_pass: Tensor, labels: Tensor | None) -> Critic:
        """D_level as a function of details (N, C, S, S): it sees their sums with ``low_pass``, augmented."""
        augment = self.criterion.augment
        return lambda detail: self.discriminator[level](augment(low_pass + detail), labels).float()

    def critics(self, conditions: list[Condition]) -> list[Critic]:
        """Those of the levels that learn, fine to coarse."""
        first = len(self.noise_sizes) - len(conditions)
        return [self.critic(level, *condition) for level, condition in enumerate(conditions, start=first)]

    def discriminator_loss(self, real: list[Tensor], fake: list[Tensor], conditions: list[Condition]) -> Tensor:
        """The sum of the levels' losses, () with a graph to the discriminators."""
        losses = []
        for critic, h, made in zip(self.critics(conditions), real, fake, strict=True):
            watch = self.watch if h is real[-1] else None  # the coarsest level, where the variety comes from
            losses.append(self.criterion.discriminator_loss(critic, h, made.detach(), watch))
        return torch.stack(losses).sum()

    def generator_loss(self, real: list[Tensor], fake: list[Tensor], conditions: list[Condition]) -> Tensor:
        """The sum of the losses of the levels whose G learns, () with a graph to the generators."""
        first = len(self.noise_sizes) - len(conditions)
        levels = enumerate(zip(self.critics(conditions), real, fake, strict=True), start=first)
        losses = [self.criterion.generator_loss(*each) for level, each in levels if self.learns("generator", level)]
        return torch.stack(losses).sum()

    def generate(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """uint8 images (N, C, H, W) of the averaged generators for ``noise`` (N, all levels' sizes together)."""
        return to_uint8(torch.add(*self.compose(noise, labels)[-1]))

    @torch.no_grad()
    def compose(self, noise: Tensor, labels: Tensor | None = None) -> list[tuple[Tensor, Tensor]]:
        """Low pass and detail (N, C, S, S) of each level, coarse to fine, of the averaged generators."""
        return self.ema(noise.split(self.noise_sizes, 1), labels)

    def sample(self, count: int, label: str | None = None, seed: int | None = None) -> Predictions:
        """A row and an image for each of ``count`` samples; see ``leyden.core.technique.Samples``."""
        return self.sampler.sample(count, label, seed)

    def on_validation_epoch_end(self) -> None:
        """Lets the evaluation log scores and images, and shows how samples come about."""
        super().on_validation_epoch_end()
        if not self.trainer.sanity_checking:
            log_image(self, "pyramid", self.levels_image())

    def levels_image(self, count: int = 4) -> Tensor:
        """Samples and below them real images, one per row, level by level, (3, H, W) uint8; grey is a detail of 0."""
        made = self.compose(self.sampler.fixed_noise[:count], self.sampler.cycle(count))
        images = self.evaluation.evaluator(self).train_images[:count]
        details, low_passes = decompose(to_signed(images), len(self.noise_sizes))
        real = list(zip(reversed(low_passes), reversed(details), strict=True))
        return torch.cat([_columns("made", made), _columns("real", real)], 1)


def _columns(row: str, levels: list[tuple[Tensor, Tensor]]) -> Tensor:
    """The coarsest images, then for each finer level low pass, detail and their sum: (3, H, W) uint8."""
    small = levels[0][1]
    columns = {f"{row}, {small.shape[-1]} px": small}
    for low_pass, detail in levels[1:]:
        side = detail.shape[-1]
        columns |= {f"up to {side}": low_pass, f"detail {side}": detail, f"sum, {side} px": low_pass + detail}
    width = max(128, levels[-1][1].shape[-1])  # or a title would not fit
    return side_by_side({title: grid(upscale(to_uint8(images), width), columns=1) for title, images in columns.items()})
