"""A large generator teaches a small one (Aguinaldo et al. 2019, "Compressing GANs using Knowledge Distillation"; Chang
and Lu 2020, "TinyGAN: Distilling BigGAN for Conditional Image Generation").

The teacher T is a trained DCGAN's generator, frozen; the student S has a few of its channels. Both make an image of the
same noise z, so the student need not search for the images: it is shown the one that it is to make. Each step lowers

    D:  -E ln D(x) - E ln(1 - D(S(z)))                                                 as if there were no teacher
    S:  -E ln D(S(z)) + pixel_weight p |S(z) - T(z)| + feature_weight sum_i |D_i(S(z)) - D_i(T(z))|

where |.| is the mean absolute difference, D_i are the maps behind D's activations, and p falls from 1 to 0 along a line
over the run: pixels alone would make the student's images blurred (TinyGAN, section 3: pixels, features, adversaries).

Departures: the teacher is a DCGAN without classes; x are real images in all adversarial terms, never the teacher's.
With both weights 0 this is the student without a teacher, the control experiment. D begins anew: as the teacher's
(``inherit_discriminator``) it knows real images too well for a student that begins with noise, which collapses.
"""

from dataclasses import dataclass, field
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from leyden.core.attached import attached_data
from leyden.core.technique import Predictions
from leyden.data.columns import LabelledImages
from leyden.data.images import ImageDataModule
from leyden.gan.base import AdversarialTask, Player
from leyden.gan.noise_to_image.dcgan import DCGAN, Discriminator, Generator, initialise
from leyden.gan.noise_to_image.distill_evaluation import DistillEvaluation
from leyden.gan.noise_to_image.options import SamplingKwargs, SamplingOptions
from leyden.gan.noise_to_image.sampler import NoiseSampler
from leyden.gan.noise_to_image.trained_dcgan import TRAIN, Recipe, recorded_dcgan, states_of, trained_dcgan
from leyden.gan.pixels import to_signed, to_uint8

KEY = "model.teacher"


class DistillKwargs(SamplingKwargs, total=False):
    """The keyword arguments of the technique that are passed on to ``DistillOptions``, whose fields explain them."""

    pixel_weight: float
    feature_weight: float
    inherit_discriminator: bool
    teacher_steps: int
    teacher_batch_size: int
    teacher_options: dict[str, Any]
    teacher_cache: str | None
    teacher_seed: int


@dataclass(frozen=True)
class DistillOptions(SamplingOptions):
    """How the student learns, and how a teacher is trained in the same run.

    Raises:
        ValueError: a number is out of range, or as in ``SamplingOptions``.
    """

    pixel_weight: float = 10.0
    """Of the teacher's pixels at the begin; it falls to 0."""
    feature_weight: float = 1.0
    """Of the maps in D."""
    inherit_discriminator: bool = False
    """Whether D begins as the teacher's."""
    teacher_steps: int = 4000
    """Batches that a teacher is trained on in this run."""
    teacher_batch_size: int = 64
    """Images in each, at most as many as there are."""
    teacher_options: dict[str, Any] = field(default_factory=dict)
    """Its further arguments, see ``leyden.gan.noise_to_image.dcgan.DCGAN``."""
    teacher_cache: str | None = None
    """Folder where it is kept for other runs; None: nowhere."""
    teacher_seed: int = 0
    """Of its weights, order and noise: for all runs the same, so that they share one teacher."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pixel_weight < 0 or self.feature_weight < 0:
            raise ValueError(
                f"model.pixel_weight={self.pixel_weight}, feature_weight={self.feature_weight}: weights from 0"
            )
        if self.teacher_steps < 1 or self.teacher_batch_size < 1:
            raise ValueError(
                f"model.teacher_steps={self.teacher_steps}, teacher_batch_size={self.teacher_batch_size}: from 1"
            )


class Distill(AdversarialTask):
    """Trains a small generator on uint8 images with a large one's help; ``val/fid`` chooses the best checkpoint.

    Args:
        class_names: one per class of the data; only the evaluation of the samples uses them.
        channels: 1 for grey, 3 for RGB.
        image_size: side of the images in pixels: 16, 32, 64 or 128.
        teacher: "train" trains it first, in the same run; or the folder of a run of ``gan/dcgan`` (of several: the
            newest), or a checkpoint in one, of images of the same size and channels.
        base_channels: of the student's stage nearest to the image; doubled at each halving of the side.
        teacher_channels: the same of the teacher, and of D.
        latent_dim: length of the noise vector of both.
        options: see ``DistillOptions``.

    Raises:
        ValueError: ``image_size`` is not one of those, or an option does not fit.
    """

    options_type = DistillOptions
    options: DistillOptions
    taught: Tensor
    """() bool: the teacher is there; what is resumed does not look for it."""

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        teacher: str = TRAIN,
        base_channels: int = 8,
        teacher_channels: int = 32,
        latent_dim: int = 100,
        **options: Unpack[DistillKwargs],
    ) -> None:
        super().__init__(**options)
        self.save_hyperparameters(logger=False)
        self.word = teacher
        self.networks: dict[str, Any] = {
            "channels": channels, "image_size": image_size, "base_channels": teacher_channels, "latent_dim": latent_dim
        }  # fmt: skip
        self.sampler = NoiseSampler(self.generate, latent_dim, class_names)
        self.evaluation = DistillEvaluation(self.sampler, self.options, self.teach)
        self.generator = Generator(channels, image_size, base_channels, latent_dim)
        self.discriminator = Discriminator(channels, image_size, teacher_channels)
        initialise(self.generator)
        initialise(self.discriminator)
        self.criterion.constrain(self.discriminator)
        self.teacher = Generator(channels, image_size, teacher_channels, latent_dim).requires_grad_(False)
        self.register_buffer("taught", torch.tensor(False))
        self.set_players(
            discriminator=Player(self.discriminator, self.discriminator_loss, self.options.lr_discriminator),
            generator=Player(self.generator, self.generator_loss, self.options.lr_generator, self.options.n_critic),
        )

    # The teacher.

    def on_fit_start(self) -> None:
        """Finds or trains the teacher, unless a checkpoint brought it."""
        if self.taught:
            return
        generator, discriminator = states_of(self, self._find_teacher)
        self.teacher.load_state_dict(generator)
        if self.options.inherit_discriminator:
            self.discriminator.load_state_dict(discriminator)
        self.taught.fill_(True)

    def _find_teacher(self) -> DCGAN:
        if self.word != TRAIN:
            return recorded_dcgan(self.word, self.networks, KEY, {"base_channels": "model.teacher_channels="})
        data = attached_data(self.trainer, ImageDataModule)
        if data is None:
            raise ValueError(f"{KEY}={TRAIN} learns from the data: trainer.fit(model, datamodule=data)")
        o = self.options
        recipe = Recipe(o.teacher_steps, o.teacher_batch_size, o.teacher_options, o.teacher_cache, o.teacher_seed)
        return trained_dcgan(data.split("train"), self.networks, recipe, "teacher_gan")

    # A step.

    def prepare(self, batch: LabelledImages) -> tuple[Tensor, Tensor, Tensor]:
        """Real images x, as many of the student S(z), and the teacher's T(z) of the same z, in -1..1."""
        real = to_signed(batch.images)
        noise = self.sampler.noise(len(real))
        with torch.no_grad():
            shown = self.teacher.eval()(noise)
        with self.graph_for("generator"):
            return real, self.generator(noise), shown

    def critic(self, images: Tensor) -> Tensor:
        """D's float32 logits (N,) of images (N, C, S, S) in -1..1, which it sees augmented."""
        return self.discriminator(self.criterion.augment(images)).float()

    def discriminator_loss(self, real: Tensor, fake: Tensor, shown: Tensor) -> Tensor:
        """-E ln D(x) - E ln(1 - D(S(z))), or as ``loss`` says, () with a graph to D."""
        return self.criterion.discriminator_loss(self.critic, real, fake.detach(), self.watch)

    def generator_loss(self, real: Tensor, fake: Tensor, shown: Tensor) -> Tensor:
        """-E ln D(S(z)), or as ``loss`` says, and how far S(z) is from T(z), () with a graph to S."""
        loss = self.criterion.generator_loss(self.critic, real, fake)
        if self.options.pixel_weight:
            loss = loss + self.options.pixel_weight * self.pixels_left() * (fake - shown).abs().mean()
        if self.options.feature_weight:
            loss = loss + self.options.feature_weight * feature_distance(self.discriminator, fake, shown)
        return loss

    def pixels_left(self) -> float:
        """p: 1 at the run's begin, 0 at its end."""
        return 1 - min(1.0, self.global_step / max(1, self.trainer.estimated_stepping_batches))

    # Samples.

    def generate(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """uint8 images (N, C, H, W) of the student for ``noise`` (N, latent_dim); labels have no meaning."""
        return to_uint8(self.ema(noise))

    def teach(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """The same of the teacher."""
        return to_uint8(self.teacher.eval()(noise))

    @torch.no_grad()
    def sample(self, count: int, label: str | None = None, seed: int | None = None) -> Predictions:
        """A row and an image for each of ``count`` samples: the teacher's of some noise, then the student's."""
        return self.sampler.sample_beside({"teacher": self.teach, "student": self.generate}, count, label, seed)


def feature_distance(discriminator: nn.Sequential, fake: Tensor, shown: Tensor) -> Tensor:
    """Mean absolute difference of the maps behind D's activations, summed over the layers.

    Args:
        discriminator: takes images (N, C, S, S) in -1..1.
        fake: such images; the gradient flows to these alone.
        shown: as many.

    Returns:
        () of at least 0.
    """
    distance = torch.zeros((), device=fake.device)
    both = torch.cat([fake, shown.detach()])  # together, so that batch normalisation treats both alike
    for layer in list(discriminator)[:-2]:  # the rest is D's head
        both = layer(both)
        if isinstance(layer, nn.LeakyReLU):
            first, second = both.float().chunk(2)
            distance = distance + (first - second.detach()).abs().mean()
    return distance
