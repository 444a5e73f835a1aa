"""Conditional GAN (Mirza and Osindero 2014, "Conditional Generative Adversarial Nets"): images of a class one asks for.

Both networks are given the class y (eq. 2):

    min_G max_D  E ln D(x, y) + E ln(1 - D(G(z, y), y))

G sees an embedding of y beside its noise z. How D uses y is ``condition``:

    concatenate   D looks at x with an embedding of y as one more channel (Mirza).
    projection    D(x, y) = l(h) + <embed(y), h>, h the features of x summed over its pixels (Miyato and Koyama 2018,
                  "cGANs with Projection Discriminator", eq. 8); the paper keeps D smooth by ``spectral_norm``.
    auxiliary     D is not given y but names it: -ln C(y | x) is added to both losses (Odena et al. 2017, "Conditional
                  Image Synthesis with Auxiliary Classifier GANs", eqs. 2 and 3, weighted by ``auxiliary_weight``).

Images are generated for the labels of the batch's real images, a draw from the class prior, and D is given those.

Where we depart: the networks are convolutional as in ``leyden.gan.noise_to_image.dcgan``, with its departures, where
Mirza's are fully connected; all three ways have that generator, and Miyato's and Odena's residual or deeper networks
are left out.
"""

from functools import partial
from typing import Literal, Unpack

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from leyden.core.technique import Predictions
from leyden.data.columns import LabelledImages
from leyden.gan.base import AdversarialTask, Player
from leyden.gan.noise_to_image import dcgan
from leyden.gan.noise_to_image.dcgan import Norm, features, initialise, stage_widths
from leyden.gan.noise_to_image.evaluation import SamplingEvaluation
from leyden.gan.noise_to_image.options import SamplingKwargs, SamplingOptions
from leyden.gan.noise_to_image.sampler import NoiseSampler
from leyden.gan.pixels import to_signed, to_uint8

Condition = Literal["concatenate", "projection", "auxiliary"]


class Generator(nn.Module):
    """Noise (N, latent_dim) and labels (N,) to images (N, channels, image_size, image_size) in -1..1."""

    def __init__(
        self,
        classes: int,
        channels: int,
        image_size: int,
        base_channels: int,
        latent_dim: int,
        label_dim: int,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        self.embed = nn.Embedding(classes, label_dim)
        self.layers = dcgan.Generator(channels, image_size, base_channels, latent_dim + label_dim, norm)

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Images (N, channels, image_size, image_size) of noise (N, latent_dim) and labels (N,)."""
        return self.layers(torch.cat([noise, self.embed(labels)], dim=1))


class Concatenate(nn.Module):
    """Images (N, channels, image_size, image_size) and labels (N,) to logits (N,): y as one more channel."""

    def __init__(self, classes: int, channels: int, image_size: int, base_channels: int, norm: Norm = "batch") -> None:
        super().__init__()
        self.embed = nn.Embedding(classes, image_size**2)
        self.layers = dcgan.Discriminator(channels + 1, image_size, base_channels, norm)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Logits (N,) of images (N, channels, image_size, image_size), given their labels (N,)."""
        plane = self.embed(labels).view(-1, 1, *images.shape[2:])
        return self.layers(torch.cat([images, plane], dim=1))


class Projection(nn.Module):
    """Images and labels (N,) to logits (N,) = l(h) + <embed(y), h>."""

    def __init__(self, classes: int, channels: int, image_size: int, base_channels: int, norm: Norm = "batch") -> None:
        super().__init__()
        width = stage_widths(image_size, base_channels)[-1]
        self.features = nn.Sequential(*features(channels, image_size, base_channels, norm))
        self.real = nn.Linear(width, 1)
        # <embed(y), h> for all y at once; as a linear layer it is reached by spectral normalisation, as in the paper.
        self.embed = nn.Linear(width, classes, bias=False)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Logits (N,) of images (N, channels, image_size, image_size), given their labels (N,)."""
        h = self.features(images).sum((2, 3))
        return self.real(h).squeeze(1) + self.embed(h).gather(1, labels.unsqueeze(1)).squeeze(1)


class Auxiliary(nn.Module):
    """Images to logits (N,) of being real and class logits (N, classes); labels are not looked at."""

    def __init__(self, classes: int, channels: int, image_size: int, base_channels: int, norm: Norm = "batch") -> None:
        super().__init__()
        width = stage_widths(image_size, base_channels)[-1]
        self.features = nn.Sequential(*features(channels, image_size, base_channels, norm))
        self.real = nn.Conv2d(width, 1, 4, bias=False)
        self.classes = nn.Conv2d(width, classes, 4)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N,) of being real and (N, classes) of the classes."""
        h = self.features(images)
        return self.real(h).flatten(), self.classes(h).flatten(1)


DISCRIMINATORS: dict[Condition, type[nn.Module]] = {
    "concatenate": Concatenate,
    "projection": Projection,
    "auxiliary": Auxiliary,
}


class ConditionalGAN(AdversarialTask):
    """Trains the two networks on labelled uint8 images; ``val/fid`` chooses the best checkpoint.

    Args:
        class_names: one per class of the data, two at least.
        channels: 1 for grey, 3 for RGB.
        image_size: side of the images in pixels: 16, 32, 64 or 128.
        condition: how D uses the class: "concatenate", "projection" or "auxiliary".
        base_channels: channels of the stage nearest to the image; doubled at each halving of the side.
        latent_dim: length of the noise vector.
        label_dim: length of the class embedding beside it.
        auxiliary_weight: of the classification loss; for "auxiliary".
        generator_norm: "batch", "layer" or "none".
        discriminator_norm: "batch", "layer" or "none"; a gradient penalty or R1 needs one of the last two.
        options: see ``SamplingOptions``.

    Raises:
        ValueError: the data have no classes, ``image_size`` is not one of those, or an option does not fit.
    """

    options_type = SamplingOptions
    options: SamplingOptions

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        condition: Condition = "concatenate",
        base_channels: int = 64,
        latent_dim: int = 100,
        label_dim: int = 50,
        auxiliary_weight: float = 1.0,
        generator_norm: Norm = "batch",
        discriminator_norm: Norm = "batch",
        **options: Unpack[SamplingKwargs],
    ) -> None:
        super().__init__(**options)
        self.save_hyperparameters(logger=False)
        self.sampler = NoiseSampler(self.generate, latent_dim, class_names, conditional=True)
        self.evaluation = SamplingEvaluation(self.sampler, self.options)
        if condition not in DISCRIMINATORS:
            raise ValueError(f"model.condition must be one of {', '.join(DISCRIMINATORS)}, got {condition!r}")
        if auxiliary_weight <= 0:
            raise ValueError(
                f"model.auxiliary_weight must be above 0, or no one teaches the classes; got {auxiliary_weight}"
            )
        self.condition, self.auxiliary_weight = condition, auxiliary_weight
        classes, image = len(class_names), (channels, image_size, base_channels)
        self.generator = Generator(classes, *image, latent_dim, label_dim, generator_norm)
        self.discriminator = DISCRIMINATORS[condition](classes, *image, discriminator_norm)
        initialise(self.generator)
        initialise(self.discriminator)
        self.criterion.constrain(self.discriminator)
        self.set_players(
            discriminator=Player(self.discriminator, self.discriminator_loss, self.options.lr_discriminator),
            generator=Player(self.generator, self.generator_loss, self.options.lr_generator, self.options.n_critic),
        )

    def prepare(self, batch: LabelledImages) -> tuple[Tensor, Tensor, Tensor]:
        """Real images x and generated ones G(z, y), (N, C, S, S) in -1..1, and the classes y (N,) of both."""
        real, labels = to_signed(batch.images), batch.labels
        with self.graph_for("generator"):
            return real, self.generator(self.sampler.noise(len(real)), labels), labels

    def critic(self, images: Tensor, labels: Tensor) -> Tensor:
        """D's float32 logits (N,) of images (N, C, S, S) in -1..1, which it sees augmented, and classes (N,)."""
        if self.condition == "auxiliary":
            return self.classify(images)[0]
        return self.discriminator(self.criterion.augment(images), labels).float()

    def classify(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """An auxiliary classifier's float32 logits of being real (N,) and of the classes (N, K), of one pass."""
        real, classes = self.discriminator(self.criterion.augment(images))
        return real.float(), classes.float()

    def discriminator_loss(self, real: Tensor, fake: Tensor, labels: Tensor) -> Tensor:
        """-E ln D(x, y) - E ln(1 - D(G(z, y), y)), or as ``loss`` says, () with a graph to D.

        An auxiliary classifier adds the cross entropy of its classes, of real and of generated images.
        """
        fake, critic = fake.detach(), partial(self.critic, labels=labels)
        if self.condition != "auxiliary":
            return self.criterion.discriminator_loss(critic, real, fake, self.watch)
        (on_real, classes), (on_fake, classes_of_fake) = self.classify(real), self.classify(fake)
        self.watch(on_real, on_fake)
        adversarial = self.criterion.loss.discriminator(on_real, on_fake) + self.criterion.penalty(critic, real, fake)
        named = cross_entropy(classes, labels) + cross_entropy(classes_of_fake, labels)
        return adversarial + self.auxiliary_weight * named

    def generator_loss(self, real: Tensor, fake: Tensor, labels: Tensor) -> Tensor:
        """-E ln D(G(z, y), y), or as ``loss`` says, () with a graph to G.

        With an auxiliary classifier the cross entropy of the classes it sees in generated images is added.
        """
        if self.condition != "auxiliary":
            return self.criterion.generator_loss(partial(self.critic, labels=labels), real, fake)
        on_fake, classes = self.classify(fake)
        on_real = self.critic(real, labels) if self.criterion.loss.relative else on_fake
        adversarial = self.criterion.loss.generator(on_real, on_fake)
        return adversarial + self.auxiliary_weight * cross_entropy(classes, labels)

    def generate(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """uint8 images (N, C, H, W) of the averaged generator for ``noise`` (N, latent_dim) and classes (N,).

        Raises:
            ValueError: no classes, or one outside the data.
        """
        count = len(self.sampler.class_names)
        if labels is None or not ((labels >= 0) & (labels < count)).all():
            raise ValueError(f"each image needs a class of the data, labels from 0 to {count - 1}; got {labels}")
        return to_uint8(self.ema(noise, labels))

    def sample(self, count: int, label: str | None = None, seed: int | None = None) -> Predictions:
        """A row and an image for each of ``count`` samples; see ``leyden.core.technique.Samples``."""
        return self.sampler.sample(count, label, seed)
