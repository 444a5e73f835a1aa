"""StyleGAN (Karras et al. 2019, "A Style-Based Generator Architecture for GANs"), 2 (2020, "Analyzing and Improving the
Image Quality of StyleGAN") and ADA (2020, "Training GANs with Limited Data").

A mapping network turns noise z into a style w, and each layer of the synthesis network is given w; its input is a
learnt constant. A layer's style scales the channels that go into its convolution (``style`` "modulation", version 2),
or those that come out of it, normalised ("adain", version 1). Noise of learnt strength adds what is random, as where a
curl lies.

    D:  E softplus(-D(x)) + E softplus(D(G(z)))         + gamma / 2 E ||grad D(x)||^2       (R1, every 16th batch)
    G:  E softplus(-D(G(z)))                            + weight E (||J_w^T y|| - a)^2      (path length, every 4th)

Regularisation is lazy (2020, section 3.1): it is a step of its own with the player's optimizer, on every k-th batch and
times k. So that k + 1 steps do as much as k did, the rate is multiplied by c = k / (k + 1), and Adam's decays are
raised to the power c. Style mixing (2019, section 3.1) gives most images two styles, one up to a random layer, another
from there, so that layers do not rely on each other. Truncation (2019, appendix B) draws w towards its mean: samples
more alike, and better.

With style "modulation", 512 channels, latent_dim and style_dim, ``residual`` false: 19,947,539 and 20,720,641
parameters at 32 pixels in colour, as the authors' configuration for CIFAR-10.

Where we depart: no progressive growing with "adain"; the crossover of mixed styles is drawn for each image, where the
authors' code has one for the batch; a, the mean length, is a constant of a step; augmentation has three of the paper's
changes, see ``leyden.gan.noise_to_image.stylegan.adaptive``; the average of G ramps up as in all techniques here.
"""

from dataclasses import replace
from typing import Unpack

import torch
from torch import Tensor

from leyden.core.technique import Predictions
from leyden.data.columns import LabelledImages
from leyden.gan import penalties
from leyden.gan.base import AdversarialTask, Player
from leyden.gan.criterion import Criterion
from leyden.gan.noise_to_image.options import SamplingKwargs
from leyden.gan.noise_to_image.sampler import NoiseSampler
from leyden.gan.noise_to_image.stylegan.adaptive import EVERY, AdaptiveAugment
from leyden.gan.noise_to_image.stylegan.evaluation import StyleEvaluation
from leyden.gan.noise_to_image.stylegan.nets import Discriminator, Generator, Style
from leyden.gan.noise_to_image.stylegan.options import StyleGANOptions
from leyden.gan.pixels import to_signed, to_uint8
from leyden.gan.stepping import average_over_ranks
from leyden.visualization.logging import logs_now


class StyleGAN(AdversarialTask):
    """Trains the networks on uint8 images; ``val/fid`` chooses the best checkpoint.

    Args:
        class_names: one per class of the data; only the evaluation of the samples uses them.
        channels: 1 for grey, 3 for RGB.
        image_size: side of the images in pixels: a power of two from 8.
        style: how a layer gets it: "modulation" (StyleGAN2) or "adain" (the first).
        base_channels: channels at the images' side; doubled at each halving of the side.
        max_channels: at most so many.
        latent_dim: length of z.
        style_dim: length of w.
        mapping_layers: between them.
        residual: whether D's blocks add their input.
        style_mixing: share of G's images with two styles.
        truncation: psi of all images but those of the training: 1 leaves styles as they are, 0 makes them the mean.
        r1_every: batches between two steps on R1.
        path_length: weight of the path length's regularisation; 0 leaves it out.
        path_every: batches between two steps on it.
        path_decay: how far the mean length moves to a batch's.
        ada_target: of E sign D(x), which adapts how often D sees changed images; None changes all.
        ada_images: real images on which that probability goes from 0 to 1.
        options: see ``StyleGANOptions``.

    Raises:
        ValueError: ``image_size``, ``style`` or ``ada_target`` is not one of those, or an option does not fit.
    """

    options_type = StyleGANOptions
    options: StyleGANOptions
    path_mean: Tensor
    """() mean path length."""

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        style: Style = "modulation",
        base_channels: int = 32,
        max_channels: int = 64,
        latent_dim: int = 64,
        style_dim: int = 64,
        mapping_layers: int = 2,
        residual: bool = True,
        style_mixing: float = 0.9,
        truncation: float = 1.0,
        r1_every: int = 16,
        path_length: float = 2.0,
        path_every: int = 4,
        path_decay: float = 0.01,
        ada_target: float | None = 0.6,
        ada_images: int = 500_000,
        **options: Unpack[SamplingKwargs],
    ) -> None:
        super().__init__(**options)
        self.save_hyperparameters(logger=False)
        if style not in ("modulation", "adain"):
            raise ValueError(f"model.style must be modulation or adain, got {style!r}")
        if ada_target is not None and not 0 < ada_target < 1:
            raise ValueError(f"model.ada_target={ada_target}: a mean of signs between 0 and 1, or null for no adaption")
        self.criterion = Criterion(replace(self.options, r1=0.0))  # R1 has steps of its own
        self.sampler = NoiseSampler(self.generate, latent_dim, class_names)
        self.evaluation = StyleEvaluation(self.sampler, self.options)
        self.augment = None if ada_target is None else AdaptiveAugment(self.options, ada_target, ada_images)
        image, width = (channels, image_size), (base_channels, max_channels)
        latent = (latent_dim, style_dim, mapping_layers)
        self.generator = Generator(*image, style, *width, *latent, style_mixing, truncation)
        self.discriminator = Discriminator(*image, *width, residual)
        self.criterion.constrain(self.discriminator)
        self.register_buffer("path_mean", torch.zeros(()))
        self.path_length, self.path_decay = path_length, path_decay
        self.r1_every, self.path_every = r1_every, path_every
        self.set_players(**self._players())

    def _players(self) -> dict[str, Player]:
        """D and G, and their regularisation, whose steps are counted in Adam's rate and decays."""
        options, players = self.options, {}
        sides = (
            ("discriminator", "r1", self.discriminator, self.discriminator_loss, self.r1_loss),
            ("generator", "path_length", self.generator, self.generator_loss, self.path_loss),
        )
        weights = {"r1": (options.r1, self.r1_every), "path_length": (self.path_length, self.path_every)}
        for name, term, network, loss, regularisation in sides:
            weight, every = weights[term]
            share = every / (every + 1) if weight else 1.0
            betas = (options.beta1**share, options.beta2**share)
            lr, turns = (
                (options.lr_discriminator, 1) if name == "discriminator" else (options.lr_generator, options.n_critic)
            )
            players[name] = Player(network, loss, lr * share, turns, betas)
            if weight:
                players[term] = Player(network, regularisation, lr * share, every, betas, shares=name)
        return players

    def prepare(self, batch: LabelledImages) -> tuple[Tensor, Tensor]:
        """Real images x and as many generated ones G(z), (N, C, S, S), the former in -1..1."""
        real = to_signed(batch.images)
        with self.graph_for("generator"):
            return real, self.generator(self.sampler.noise(len(real)))

    def critic(self, images: Tensor) -> Tensor:
        """D's float32 logits (N,) of images (N, C, S, S), which it sees augmented."""
        seen = self.criterion.augment(images) if self.augment is None else self.augment(images)
        return self.discriminator(seen).float()

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """E softplus(-D(x)) + E softplus(D(G(z))), or as ``loss`` says, () with a graph to D."""
        return self.criterion.discriminator_loss(self.critic, real, fake.detach(), self.watch)

    def r1_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """R1 of as many batches as lie between two of its steps, () with a graph to D."""
        return self.r1_every * self.options.r1 * penalties.r1(self.critic, real)

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """E softplus(-D(G(z))), or as ``loss`` says, () with a graph to G."""
        return self.criterion.generator_loss(self.critic, real, fake)

    def path_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """E (||J_w^T y|| - a)^2 of as many batches as lie between two of its steps, () with a graph to G.

        a is the moving average of the lengths. Half as many images as a batch has, as in the authors' code.
        """
        noise = self.sampler.noise(max(1, len(real) // 2))
        with torch.autocast(real.device.type, enabled=False):  # squares of bf16 gradients would be mostly rounding
            styles = self.generator.styles(noise)
            lengths = penalties.path_lengths(self.generator.synthesis(styles), styles)
        mean = lengths.detach().mean()
        average_over_ranks(self, [mean])
        self.path_mean.lerp_(mean, self.path_decay)
        return self.path_every * self.path_length * (lengths - self.path_mean).square().mean()

    def watch(self, on_real: Tensor, on_fake: Tensor) -> None:
        """Shows a discriminator's logits to the monitor, and to what adapts the augmentation."""
        super().watch(on_real, on_fake)
        if self.augment is None:
            return
        self.augment.see(on_real)
        if (self.global_step + 1) % EVERY == 0:
            self.augment.adjust(self)
        if logs_now(self):
            self.log("train/augment_probability", self.augment.probability)

    def generate(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """uint8 images (N, C, H, W) of the averaged generator for ``noise`` (N, latent_dim); labels have no meaning."""
        return to_uint8(self.ema(noise))

    def sample(self, count: int, label: str | None = None, seed: int | None = None) -> Predictions:
        """A row and an image for each of ``count`` samples; see ``leyden.core.technique.Samples``."""
        return self.sampler.sample(count, label, seed)
