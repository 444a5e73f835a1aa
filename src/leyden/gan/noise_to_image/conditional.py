"""Conditional GAN (Mirza and Osindero 2014, "Conditional Generative Adversarial Nets"): images of a class one asks for.

Both networks are told the class y (eq. 2):

    min_G max_D  E ln D(x, y) + E ln(1 - D(G(z, y), y))

G sees an embedding of y beside its noise z. How D uses y is ``condition``:

    concatenate   D looks at x with an embedding of y as one more channel (Mirza).
    projection    D(x, y) = l(h) + <embed(y), h>, h the features of x summed over its pixels (Miyato and Koyama 2018,
                  "cGANs with Projection Discriminator", eq. 8); the paper keeps D smooth by ``spectral_norm``.
    auxiliary     D is not told y but names it: -ln C(y | x) is added to both losses (Odena et al. 2017, "Conditional
                  Image Synthesis with Auxiliary Classifier GANs", eqs. 2 and 3, weighted by ``auxiliary_weight``).

Fakes are made for the labels of the batch's real images, a draw from the class prior, and D judges them by those.

Where we depart: the networks are convolutional as in ``leyden.gan.noise_to_image.dcgan``, with its departures, where
Mirza's are fully connected; all three ways have that generator, and Miyato's and Odena's residual or deeper networks
are left out.
"""

from functools import partial
from typing import Literal, Unpack

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from leyden.data.columns import LabelledImages
from leyden.gan.noise_to_image import dcgan
from leyden.gan.noise_to_image.base import Judged, NoiseToImage
from leyden.gan.noise_to_image.dcgan import Norm, features, initialise, stage_widths
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
        self.paint = dcgan.Generator(channels, image_size, base_channels, latent_dim + label_dim, norm)

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """See the class."""
        return self.paint(torch.cat([noise, self.embed(labels)], dim=1))


class Concatenate(nn.Module):
    """Images (N, channels, image_size, image_size) and labels (N,) to logits (N,): y as one more channel."""

    def __init__(self, classes: int, channels: int, image_size: int, base_channels: int, norm: Norm = "batch") -> None:
        super().__init__()
        self.embed = nn.Embedding(classes, image_size**2)
        self.look = dcgan.Discriminator(channels + 1, image_size, base_channels, norm)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """See the class."""
        plane = self.embed(labels).view(-1, 1, *images.shape[2:])
        return self.look(torch.cat([images, plane], dim=1))


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
        """See the class."""
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
        """See the class."""
        h = self.features(images)
        return self.real(h).flatten(), self.classes(h).flatten(1)


DISCRIMINATORS: dict[Condition, type[nn.Module]] = {
    "concatenate": Concatenate,
    "projection": Projection,
    "auxiliary": Auxiliary,
}


class ConditionalGAN(NoiseToImage):
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
        discriminator_norm: likewise; a gradient penalty or R1 needs "layer" or "none".
        options: see ``NoiseToImage``.

    Raises:
        ValueError: the data have no classes, ``image_size`` is not one of those, or an option does not fit.
    """

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
        **options: Unpack[Judged],
    ) -> None:
        super().__init__(class_names, latent_dim, conditional=True, **options)
        self.save_hyperparameters(logger=False)
        if condition not in DISCRIMINATORS:
            raise ValueError(f"model.condition must be one of {', '.join(DISCRIMINATORS)}, got {condition!r}")
        if auxiliary_weight <= 0:
            raise ValueError(
                f"model.auxiliary_weight must be above 0, or no one teaches the classes; got {auxiliary_weight}"
            )
        self.condition, self.auxiliary_weight = condition, auxiliary_weight
        classes, image = len(class_names), (channels, image_size, base_channels)
        generator = Generator(classes, *image, latent_dim, label_dim, generator_norm)
        discriminator = DISCRIMINATORS[condition](classes, *image, discriminator_norm)
        initialise(generator)
        initialise(discriminator)
        self.play(generator, discriminator)

    def prepare(self, batch: LabelledImages) -> tuple[Tensor, Tensor]:
        """Real images (N, C, S, S) in -1..1, and the classes (N,) of both them and the fakes."""
        return to_signed(batch.images), batch.labels

    def fake(self, real: Tensor, given: Tensor) -> Tensor:
        """Images (N, C, S, S) in -1..1 of the classes ``given`` (N,)."""
        return self.generator(self.noise(len(real)), given)

    def look(self, images: Tensor, given: Tensor) -> Tensor:
        """Images (N, C, S, S) in -1..1 and classes (N,) to D's float32 logits (N,), through random changes."""
        if self.condition == "auxiliary":
            return self.classify(images)[0]
        return self.discriminator(self.change(images), given).float()

    def classify(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """An auxiliary classifier's float32 logits of being real (N,) and of the classes (N, K), of one look."""
        real, classes = self.discriminator(self.change(images))
        return real.float(), classes.float()

    def discriminator_loss(self, real: Tensor, fake: Tensor, given: Tensor) -> Tensor:
        """What D descends; an auxiliary classifier learns from real images and from fakes."""
        if self.condition != "auxiliary":
            return super().discriminator_loss(real, fake, given)
        (on_real, classes), (on_fake, classes_of_fake) = self.classify(real), self.classify(fake)
        adversarial = self.on_logits(on_real, on_fake) + self.penalty(partial(self.look, given=given), real, fake)
        named = cross_entropy(classes, given) + cross_entropy(classes_of_fake, given)
        return adversarial + self.auxiliary_weight * named

    def generator_loss(self, real: Tensor, fake: Tensor, given: Tensor) -> Tensor:
        """What G descends; it helps the auxiliary classifier to name its images."""
        if self.condition != "auxiliary":
            return super().generator_loss(real, fake, given)
        on_fake, classes = self.classify(fake)
        on_real = self.look(real, given) if self.loss.relative else on_fake
        return self.loss.generator(on_real, on_fake) + self.auxiliary_weight * cross_entropy(classes, given)

    def generate(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """uint8 images (N, C, H, W) of the averaged generator for ``noise`` (N, latent_dim) and classes (N,).

        Raises:
            ValueError: no classes, or one outside the data.
        """
        count = len(self.class_names)
        if labels is None or not ((labels >= 0) & (labels < count)).all():
            raise ValueError(f"each image needs a class of the data, labels from 0 to {count - 1}; got {labels}")
        return to_uint8(self.average(noise, labels))
