"""InfoGAN (Chen et al. 2016, "InfoGAN: Interpretable Representation Learning by Information Maximizing GANs").

The generator is given noise z and codes c: a categorical one, and continuous ones from U(-1, 1). That the codes mean
something is asked for by a lower bound of the mutual information of c and G(z, c) (equations 4 to 6):

    min_(G,Q) max_D  V(D, G) - lambda L_I(G, Q),    L_I = E ln Q(c | G(z, c)) + H(c) <= I(c; G(z, c))

Q(c | x) shares all of D but its last layers. It names the category (a cross-entropy, ``code_weight`` 1) and gives mean
and variance of a Gaussian for each continuous code (its negative log-likelihood, SUMMED over codes, a MEAN over the
batch, ``continuous_weight`` 0.1). No label is seen: which class a category is, a person looks up afterwards.

As in the authors' program both losses have the codes' terms, so Q learns in D's step, and G learns in its own to be
read. Rates are the paper's for MNIST (appendix C.1): 2e-4 for D and Q, 1e-3 for G; so are 62 numbers of noise, ten
categories and two continuous codes. ``agreement_weight`` adds what ``leyden.gan.disentangled.agreement`` explains.

Where we depart: the networks are those of ``leyden.gan.noise_to_image.dcgan``, Q's own layers the paper's (128 units,
batch normalisation, leaky ReLU); noise and codes are all made of one vector of normal numbers, the code's category the
place of the largest of ten, a continuous code 2 Phi(n) - 1, which has the distributions asked for, so that samples are
drawn, walked and scored as those of the other GANs.
"""

import copy
from dataclasses import dataclass
from typing import NamedTuple, Unpack

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gaussian_nll_loss, one_hot

from leyden.core.technique import Predictions
from leyden.data.columns import LabelledImages
from leyden.gan.base import AdversarialTask, Player
from leyden.gan.disentangled.agreement import agreement_loss, random_view
from leyden.gan.disentangled.codes import CodeEvaluation
from leyden.gan.noise_to_image.dcgan import Generator, Norm, features, initialise, stage_widths
from leyden.gan.noise_to_image.options import SamplingKwargs, SamplingOptions
from leyden.gan.noise_to_image.sampler import NoiseSampler
from leyden.gan.pixels import to_signed, to_uint8
from leyden.visualization.grid import upscale
from leyden.visualization.logging import logs_now


class Codes(NamedTuple):
    """What an image is made for, besides noise."""

    category: Tensor
    """(N,) int64, 0 .. categories - 1."""
    continuous: Tensor
    """(N, C) float32 in -1..1."""


class Recognised(NamedTuple):
    """What D and Q say of images."""

    real: Tensor
    """(N,) logits; positive means real."""
    category: Tensor
    """(N, K) logits."""
    mean: Tensor
    """(N, C) of the continuous codes."""
    log_variance: Tensor
    """(N, C)."""


def information_loss(
    found: Recognised, codes: Codes, code_weight: float = 1.0, continuous_weight: float = 0.1
) -> Tensor:
    """-lambda L_I up to H(c): weighted -ln Q(c | x) (equation 5), () with a graph.

    The cross-entropy of the category plus the Gaussian's negative log-likelihood without its constant, summed over the
    continuous codes; means over the batch.
    """
    category = cross_entropy(found.category, codes.category)
    if not codes.continuous.shape[1]:
        return code_weight * category
    variance = found.log_variance.exp()
    apart = gaussian_nll_loss(found.mean, codes.continuous, variance, reduction="none").sum(1).mean()
    return code_weight * category + continuous_weight * apart


class Discriminator(nn.Module):
    """Images (N, channels, image_size, image_size) to ``Recognised``: D and Q on one trunk."""

    def __init__(
        self, channels: int, image_size: int, base_channels: int, categories: int, continuous: int, norm: Norm = "batch"
    ) -> None:
        super().__init__()
        width = stage_widths(image_size, base_channels)[-1]
        self.continuous = continuous
        self.trunk = nn.Sequential(*features(channels, image_size, base_channels, norm))
        self.real = nn.Sequential(nn.Conv2d(width, 1, 4, bias=False), nn.Flatten(0))
        self.codes = nn.Sequential(
            nn.Flatten(),
            nn.Linear(16 * width, 128, bias=False),
            nn.BatchNorm1d(128) if norm == "batch" else nn.LayerNorm(128),
            nn.LeakyReLU(0.1, True),
            nn.Linear(128, categories + 2 * continuous),
        )

    def forward(self, images: Tensor) -> Recognised:
        """What both say, in float32."""
        maps = self.trunk(images)
        codes = self.codes(maps).float()
        split = [codes.shape[1] - 2 * self.continuous, self.continuous, self.continuous]
        return Recognised(self.real(maps).float(), *codes.split(split, dim=1))

    def critic(self, images: Tensor) -> Tensor:
        """D's logits (N,) alone, in float32: Q reads nothing, and its statistics stay."""
        return self.real(self.trunk(images)).float()


@dataclass(frozen=True)
class InfoGANOptions(SamplingOptions):
    """``SamplingOptions`` with the paper's rate of G, five times D's."""

    lr_generator: float = 1e-3


class InfoGAN(AdversarialTask):
    """Trains G, D and Q on uint8 images without their labels; ``val/fid`` chooses the best checkpoint.

    Args:
        class_names: one per class of the data; only the evaluation of the samples and of the codes uses them.
        channels: 1 for grey, 3 for RGB.
        image_size: side of the images in pixels: 16, 32, 64 or 128.
        categories: of the categorical code, two at least.
        continuous: continuous codes.
        noise_dim: numbers of noise beside the codes.
        base_channels: channels of the stage nearest to the image; doubled at each halving of the side.
        code_weight: of the categorical code's cross-entropy.
        continuous_weight: of the continuous codes' negative log-likelihood.
        agreement_weight: of the loss by which two views of a real image have one category; 0, the paper's, is without.
        generator_norm: "batch", "layer" or "none".
        discriminator_norm: "batch", "layer" or "none"; a gradient penalty or R1 needs one of the last two.
        options: see ``InfoGANOptions``.

    Raises:
        ValueError: ``image_size`` is not one of those, a number is out of its range, or an option does not fit.
    """

    options_type = InfoGANOptions
    options: SamplingOptions
    code_classes: Tensor
    """(K,) int64 the class that each category was last found to be, -1 where none; a buffer, for ``predict``."""

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        categories: int = 10,
        continuous: int = 2,
        noise_dim: int = 62,
        base_channels: int = 64,
        code_weight: float = 1.0,
        continuous_weight: float = 0.1,
        agreement_weight: float = 0.0,
        generator_norm: Norm = "batch",
        discriminator_norm: Norm = "batch",
        **options: Unpack[SamplingKwargs],
    ) -> None:
        super().__init__(**options)
        self.save_hyperparameters(logger=False)
        weights = code_weight, continuous_weight, agreement_weight
        if categories < 2 or min(continuous, noise_dim, *weights) < 0:
            raise ValueError(
                "set model.categories >= 2, and continuous, noise_dim, code_weight, continuous_weight, "
                f"agreement_weight >= 0; got {categories}, {continuous}, {noise_dim}, {', '.join(map(str, weights))}"
            )
        self.categories, self.continuous, self.noise_dim = categories, continuous, noise_dim
        self.code_weight, self.continuous_weight, self.agreement_weight = weights
        latent_dim = noise_dim + continuous + categories
        self.sampler = NoiseSampler(self.generate, latent_dim, class_names)
        self.evaluation = CodeEvaluation(self, self.options)
        self.register_buffer("code_classes", torch.full((categories,), -1))
        sizes = channels, image_size, base_channels
        self.generator = Generator(*sizes, latent_dim, generator_norm)
        self.discriminator = Discriminator(*sizes, categories, continuous, discriminator_norm)
        initialise(self.generator)
        initialise(self.discriminator)
        self.criterion.constrain(self.discriminator)
        self.set_players(
            discriminator=Player(self.discriminator, self.discriminator_loss, self.options.lr_discriminator),
            generator=Player(self.generator, self.generator_loss, self.options.lr_generator, self.options.n_critic),
        )

    def codes_of(self, normal: Tensor) -> Codes:
        """The codes that normal numbers (N, latent_dim), as the sampler draws them, stand for."""
        _, numbers, tenth = normal.split([self.noise_dim, self.continuous, self.categories], dim=1)
        return Codes(tenth.argmax(1), torch.special.erf(numbers / 2**0.5))  # erf(n / sqrt 2) = 2 Phi(n) - 1

    def inputs(self, normal: Tensor, codes: Codes) -> Tensor:
        """G's input (N, latent_dim): the noise of ``normal`` (N, latent_dim), continuous codes, one-hot category."""
        category = one_hot(codes.category, self.categories).to(normal)
        return torch.cat([normal[:, : self.noise_dim], codes.continuous, category], dim=1)

    def prepare(self, batch: LabelledImages) -> tuple[Tensor, Tensor, Codes]:
        """Real images x and generated ones G(z, c), (N, C, S, S) in -1..1, and the codes c of these."""
        real = to_signed(batch.images)
        normal = self.sampler.noise(len(real))
        codes = self.codes_of(normal)
        with self.graph_for("generator"):
            return real, self.generator(self.inputs(normal, codes)), codes

    def recognise(self, images: Tensor) -> Recognised:
        """What D and Q say of images (N, C, S, S) in -1..1, which they see augmented."""
        return self.discriminator(self.criterion.augment(images))

    def critic(self, images: Tensor) -> Tensor:
        """D's float32 logits (N,) of images (N, C, S, S) in -1..1, which it sees augmented."""
        return self.discriminator.critic(self.criterion.augment(images))

    def discriminator_loss(self, real: Tensor, fake: Tensor, codes: Codes) -> Tensor:
        """-E ln D(x) - E ln(1 - D(G(z, c))), or as ``loss`` says, - lambda L_I, + agreement; () to D and Q."""
        fake = fake.detach()
        on_real, found = self.critic(real), self.recognise(fake)
        self.watch(on_real, found.real)
        adversarial = self.criterion.loss.discriminator(on_real, found.real)
        adversarial = adversarial + self.criterion.penalty(self.critic, real, fake)
        if logs_now(self):
            self._log_information(found, codes)
        loss = adversarial + information_loss(found, codes, self.code_weight, self.continuous_weight)
        return loss + self.agreement_weight * self.agreement(real) if self.agreement_weight else loss

    def agreement(self, real: Tensor) -> Tensor:
        """``agreement_loss`` of Q for two views of each real image (N, C, S, S), () with a graph to Q."""
        loss = agreement_loss(*self.discriminator(random_view(real.repeat(2, 1, 1, 1))).category.chunk(2))
        if logs_now(self):
            self.log("train/agreement", loss.detach())
        return loss

    def generator_loss(self, real: Tensor, fake: Tensor, codes: Codes) -> Tensor:
        """-E ln D(G(z, c)), or as ``loss`` says, - lambda L_I; () with a graph to G."""
        found = self.recognise(fake)
        on_real = self.critic(real) if self.criterion.loss.relative else found.real
        adversarial = self.criterion.loss.generator(on_real, found.real)
        return adversarial + information_loss(found, codes, self.code_weight, self.continuous_weight)

    def _log_information(self, found: Recognised, codes: Codes) -> None:
        """``train/code_information``, H(c) + E ln Q(c | x) of the category in nats (at most ln K), and
        ``train/continuous_error``, the mean square of the continuous codes' means (a third for a guess of 0)."""
        entropy = torch.log(torch.tensor(float(self.categories)))
        known = {"train/code_information": entropy - cross_entropy(found.category, codes.category).detach().cpu()}
        if self.continuous:
            known["train/continuous_error"] = (found.mean - codes.continuous).square().mean().detach()
        self.log_dict(known)

    def generate(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """uint8 images (N, C, H, W) of the averaged generator for normal numbers (N, latent_dim).

        Args:
            noise: stands for noise and codes.
            labels: (N,) categories, in place of those that ``noise`` stands for.
        """
        codes = self.codes_of(noise)
        return self.draw(noise, codes if labels is None else codes._replace(category=labels))

    def draw(self, noise: Tensor, codes: Codes) -> Tensor:
        """uint8 images (N, C, H, W) of the averaged generator for the noise of ``noise`` (N, latent_dim) and codes."""
        return to_uint8(self.ema(self.inputs(noise, codes)))

    @torch.no_grad()
    def categories_of(self, images: Tensor) -> Tensor:
        """The likeliest category (N,) by Q of uint8 images (N, C, S, S), which make up one batch as in training.

        They are normalised by their own statistics: the running ones are of real and generated images together, and
        fit neither. A copy does it, so that nothing of the training changes.
        """
        network = copy.deepcopy(self.discriminator).eval()
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                layer.train()
        return network(to_signed(images)).category.argmax(1)

    @torch.no_grad()
    def sample(self, count: int, label: str | None = None, seed: int | None = None) -> Predictions:
        """A row and an image for each of ``count`` samples; see ``leyden.core.technique.Samples``.

        Args:
            count: how many.
            label: a category's number, from 0; None takes all in turn.
            seed: of noise and continuous codes.

        Raises:
            ValueError: there is no such category.
        """
        if label is not None and not (label.isdecimal() and int(label) < self.categories):
            raise ValueError(
                f"no category {label!r}: InfoGAN's code knows no names, ask for its numbers 0 to {self.categories - 1}"
            )
        places = torch.arange(count) % self.categories if label is None else torch.full((count,), int(label))
        normal = self.sampler.noise(count, None if seed is None else torch.Generator().manual_seed(seed))
        codes = self.codes_of(normal)._replace(category=places.to(normal.device))
        images = self.draw(normal, codes).cpu()
        rows = []
        for i, (place, values) in enumerate(zip(places.tolist(), codes.continuous.tolist(), strict=True)):
            rows.append({"sample": i, "code": place, "continuous": [round(value, 4) for value in values]})
            if (found := int(self.code_classes[place])) >= 0:
                rows[-1]["class"] = self.sampler.class_names[found]
        return Predictions(rows, [upscale(image.expand(3, -1, -1), 128) for image in images])
