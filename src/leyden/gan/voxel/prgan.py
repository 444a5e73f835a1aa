"""PrGAN, projective generative adversarial networks (Gadelha, Maji and Wang 2017, "3D Shape Induction from 2D Views of
Multiple Objects"): shapes learned from silhouettes alone, one of each object, from views that nobody tells.

G turns noise z into a volume V of occupancies in [0, 1]; a view is drawn, and V is seen from it along parallel rays,

    P(V) = 1 - exp(-``absorption`` sum over depth of V)

D tells such silhouettes from those of the data, both players with the losses of a GAN. A generator whose shapes look
right from every view is the easiest way to images that do; nothing else says what a shape is. Besides, G's images shall
have the mean features of the data's in D (``feature_matching``, Salimans et al. 2016, as in the authors' code), and D
steps only while it is right about less than ``discriminator_accuracy`` of the last batch (their code).

The view comes from the last of ``latent_dim`` + 1 normal numbers, so that noise alone says what an image is: one of
``views``, all alike often, or any direction where there are none.

Where we depart: volumes of 16 or 32 voxels along a side instead of 64, with fewer channels; the noise is normal instead
of uniform; D has spectral instead of batch normalisation (``spectral_norm``, Miyato et al. 2018), which keeps its steps
small at a rate at which it learns in a minute; a voxel may absorb more than the paper's 1, with which thin parts stay
grey; feature matching is added to the loss instead of a step of its own. Volumes are turned by bilinear sampling.
"""

from dataclasses import dataclass
from typing import Any, Unpack

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from leyden.core.technique import Predictions
from leyden.data.columns import LabelledImages
from leyden.gan.base import AdversarialTask, Player
from leyden.gan.noise_to_image.dcgan import features, initialise, stage_widths
from leyden.gan.noise_to_image.sampler import NoiseSampler
from leyden.gan.options import AdversarialKwargs, AdversarialOptions
from leyden.gan.pixels import to_signed, to_uint8
from leyden.gan.voxel.files import shape_files, shape_row
from leyden.gan.voxel.nets import VolumeGenerator
from leyden.gan.voxel.prgan_evaluation import SilhouetteEvaluation
from leyden.gan.voxel.projection import project
from leyden.gan.voxel.resting import Rest
from leyden.visualization.generated.voxels import draw_voxels


@dataclass(frozen=True)
class PrGANOptions(AdversarialOptions):
    """``AdversarialOptions`` with rates at which a generator learns in minutes, and a discriminator that is smooth.

    Raises:
        ValueError: an option that has no meaning for volumes.
    """

    spectral_norm: bool = True
    lr_generator: float = 2e-3
    lr_discriminator: float = 5e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.memory_format != "contiguous":
            raise ValueError("model.memory_format=channels_last is for images: set model.memory_format=contiguous")


class Discriminator(nn.Module):
    """Images (N, 1, S, S) in -1..1 to logits (N,) and the features (N, F) that they are made of."""

    def __init__(self, image_size: int, base_channels: int) -> None:
        super().__init__()
        self.features = nn.Sequential(*features(1, image_size, base_channels, "none"), nn.Flatten())
        self.head = nn.Linear(stage_widths(image_size, base_channels)[-1] * 16, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N,), positive means real, and features (N, F)."""
        found = self.features(images)
        return self.head(found).squeeze(1), found


class PrGAN(AdversarialTask):
    """Trains the two networks on grey silhouettes, bright on dark; ``val/fid`` chooses the best checkpoint.

    Args:
        class_names: one per class of the data; nothing is learned of them.
        channels: 1.
        image_size: side of the images in pixels, and of the volumes in voxels: 16, 32 or 64.
        views: degrees around the vertical axis, from which shapes are seen equally often; None means any.
        latent_dim: length of the noise vector of a shape.
        base_channels: channels of G's last stage.
        discriminator_channels: of D's first convolution.
        absorption: of a full voxel in the projection; the paper has 1.
        feature_matching: weight of the squared distance between D's mean features of real and generated images.
        discriminator_accuracy: from which share of a batch that it tells rightly D rests; 1.1: never.
        threshold: a voxel whose occupancy is above it is full, in what is shown and measured of shapes.
        eval_samples: at most so many silhouettes are compared with as many of the data.
        options: see ``PrGANOptions``.

    Raises:
        ValueError: images in colour, a size that the networks do not take, or an option does not fit.
    """

    options_type = PrGANOptions

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        views: list[int] | None = None,
        latent_dim: int = 32,
        base_channels: int = 32,
        discriminator_channels: int = 64,
        absorption: float = 2.0,
        feature_matching: float = 1.0,
        discriminator_accuracy: float = 0.8,
        threshold: float = 0.5,
        eval_samples: int = 1000,
        **options: Unpack[AdversarialKwargs],
    ) -> None:
        super().__init__(**options)
        self.save_hyperparameters(logger=False)
        if channels != 1:
            raise ValueError("PrGAN learns from silhouettes, and these images are in colour: make them grey")
        if not 0 < threshold < 1 or absorption <= 0:
            raise ValueError(f"model.threshold={threshold} is above 0 and below 1, model.absorption above 0")
        self.views, self.absorption, self.threshold = list(views or []), absorption, threshold
        self.feature_matching = feature_matching
        self.sampler = NoiseSampler(self.generate, latent_dim + 1, class_names)
        self.evaluation = SilhouetteEvaluation(self.sampler, self.shapes, self.seen, threshold, eval_samples)
        self.generator = VolumeGenerator(image_size, base_channels, latent_dim)
        self.discriminator = Discriminator(image_size, discriminator_channels)
        initialise(self.discriminator)
        self.criterion.constrain(self.discriminator)
        self.rest = Rest(discriminator_accuracy)
        self.set_players(
            discriminator=Player(self.discriminator, self.discriminator_loss, self.options.lr_discriminator),
            generator=Player(self.generator, self.generator_loss, self.options.lr_generator, self.options.n_critic),
        )

    def turns(self) -> list[str]:
        """The generator, and the discriminator while it is not too good."""
        return self.rest.turns(super().turns())

    def yaw(self, noise: Tensor) -> Tensor:
        """The camera's direction (N,) in radians, which the last number of noise (N, latent_dim + 1) says."""
        share = torch.special.ndtr(noise[:, -1])  # normal numbers to even ones in [0, 1]
        if not self.views:
            return 2 * torch.pi * share
        place = (share * len(self.views)).long().clamp(max=len(self.views) - 1)
        return torch.tensor(self.views, dtype=torch.float32, device=noise.device).deg2rad()[place]

    def silhouettes(self, volumes: Tensor, yaw: Tensor) -> Tensor:
        """Images (N, 1, S, S) in -1..1 of volumes (N, S, S, S), seen from ``yaw`` (N,) radians."""
        return 2 * project(volumes, yaw, self.absorption).unsqueeze(1) - 1

    def prepare(self, batch: LabelledImages) -> tuple[Tensor, Tensor]:
        """Real silhouettes and as many of generated shapes, (N, 1, S, S) in -1..1."""
        noise = self.sampler.noise(len(batch.images))
        with self.graph_for("generator"):
            volumes = self.generator(noise[:, :-1]).float().sigmoid()[:, 0]
            return to_signed(batch.images), self.silhouettes(volumes, self.yaw(noise))

    def critic(self, images: Tensor) -> Tensor:
        """D's float32 logits (N,) of images (N, 1, S, S) in -1..1, which it sees augmented."""
        return self.look(images)[0]

    def look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """D's float32 logits (N,) and features (N, F) of images in -1..1, which it sees augmented."""
        logits, found = self.discriminator(self.criterion.augment(images))
        return logits.float(), found.float()

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """-E ln D(x) - E ln(1 - D(P(G(z)))), or as ``loss`` says, () with a graph to D."""
        return self.criterion.discriminator_loss(self.critic, real, fake.detach(), self.watch)

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """-E ln D(P(G(z))), or as ``loss`` says, with the distance of D's mean features; () with a graph to G."""
        with torch.no_grad():
            on_real, features_of_real = self.look(real)
        on_fake, features_of_fake = self.look(fake)
        self.rest.see(self, on_real, on_fake.detach())
        loss = self.criterion.loss.generator(on_real, on_fake)
        if not self.feature_matching:
            return loss
        return loss + self.feature_matching * mse_loss(features_of_fake.mean(0), features_of_real.mean(0))

    @torch.no_grad()
    def shapes(self, noise: Tensor) -> Tensor:
        """Occupancies (N, S, S, S) in [0, 1] of the averaged generator for noise (N, latent_dim + 1)."""
        return torch.cat([self.ema(part).float().sigmoid()[:, 0] for part in noise[:, :-1].split(256)])

    def generate(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """uint8 silhouettes (N, 1, S, S) for noise (N, latent_dim + 1); labels have no meaning."""
        return self.seen(self.shapes(noise), noise)

    def seen(self, volumes: Tensor, noise: Tensor) -> Tensor:
        """uint8 silhouettes (N, 1, S, S) of volumes (N, S, S, S), from the directions that noise says."""
        return to_uint8(self.silhouettes(volumes, self.yaw(noise)))

    def sample(self, count: int, label: str | None = None, seed: int | None = None) -> Predictions:
        """A row, an image of the shape and its files for each of ``count`` samples.

        Returns:
            ``voxels`` and their ``share``; the shape; a turning "gif", and, where the surface is closed, "obj" and
            "ply". See ``leyden.core.technique.Samples``.

        Raises:
            ValueError: a class is asked for.
        """
        if label is not None:
            raise ValueError("this model has no classes to ask for: leave the class out")
        noise = self.sampler.noise(count, None if seed is None else torch.Generator().manual_seed(seed))
        fields = self.shapes(noise).cpu()
        rows: list[dict[str, Any]] = [{"sample": i} | shape_row(f, self.threshold) for i, f in enumerate(fields)]
        images = [draw_voxels(field > self.threshold) for field in fields]
        return Predictions(rows, images, [shape_files(field, self.threshold) for field in fields])
