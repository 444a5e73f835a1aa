"""Deep convolutional GAN (Radford, Metz and Chintala 2016, "Unsupervised Representation Learning with DCGAN").

G turns noise z ~ N(0, I) into an image, D tells images from the data and from G apart; each step lowers

    D:  -E ln D(x) - E ln(1 - D(G(z)))
    G:  -E ln D(G(z))                      (non-saturating; ``loss`` chooses others)

The paper's guidelines (section 3): strided and transposed convolutions instead of pooling, no hidden fully connected
layer, batch normalisation in both except G's output and D's input, ReLU in G with tanh at its end, LeakyReLU(0.2) in
D; weights from N(0, 0.02), Adam with rate 2e-4 and beta1 0.5. At 64 pixels and width 64 these are the canonical
networks of 3,576,704 and 2,765,568 parameters; other sizes take away or add a stage.

Where we depart: the kernels are 4x4, as in the authors' later code, because 5x5 at stride 2 overlap unevenly
(checkerboards); noise is Gaussian instead of uniform; G's step uses the fakes of D's step instead of fresh ones, which
saves a pass; samples come from a moving average of G.
"""

from itertools import pairwise
from typing import Literal, Unpack

from torch import Tensor, nn

from leyden.core.technique import Predictions
from leyden.data.columns import LabelledImages
from leyden.gan.base import AdversarialTask, Player
from leyden.gan.noise_to_image.evaluation import SamplingEvaluation
from leyden.gan.noise_to_image.options import SamplingKwargs, SamplingOptions
from leyden.gan.noise_to_image.sampler import NoiseSampler
from leyden.gan.pixels import to_signed, to_uint8

SIZES = (16, 32, 64, 128)
Norm = Literal["batch", "layer", "none"]
"""Between a convolution and its activation; "layer" is over all channels and pixels of one image."""


def stage_widths(image_size: int, base_channels: int) -> list[int]:
    """Channels at sides image_size / 2, image_size / 4, ..., 4: doubling from ``base_channels``.

    Raises:
        ValueError: the size is not a power of two from 16 to 128.
    """
    if image_size not in SIZES:
        sizes = ", ".join(map(str, SIZES))
        raise ValueError(f"DCGAN makes images of side {sizes}, got {image_size}: set data.image_size to one of them")
    return [base_channels << stage for stage in range(image_size.bit_length() - 3)]


def normalise(width: int, norm: Norm) -> list[nn.Module]:
    """The normalisation of ``width`` channels, or nothing."""
    layers: dict[str, list[nn.Module]] = {
        "batch": [nn.BatchNorm2d(width)],
        "layer": [nn.GroupNorm(1, width)],
        "none": [],
    }
    return layers[norm]


class Generator(nn.Sequential):
    """Noise (N, latent_dim) to images (N, channels, image_size, image_size) in -1..1 (figure 1 of the paper)."""

    def __init__(
        self, channels: int, image_size: int, base_channels: int, latent_dim: int, norm: Norm = "batch"
    ) -> None:
        widths = stage_widths(image_size, base_channels)[::-1]
        layers: list[nn.Module] = [nn.Unflatten(1, (latent_dim, 1, 1))]
        layers += [nn.ConvTranspose2d(latent_dim, widths[0], 4, bias=norm == "none")]
        layers += [*normalise(widths[0], norm), nn.ReLU(True)]
        for before, after in pairwise(widths):
            layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=norm == "none")]
            layers += [*normalise(after, norm), nn.ReLU(True)]
        layers += [nn.ConvTranspose2d(widths[-1], channels, 4, stride=2, padding=1, bias=False), nn.Tanh()]
        super().__init__(*layers)


def features(channels: int, image_size: int, base_channels: int, norm: Norm = "batch") -> list[nn.Module]:
    """D's layers up to its head: images (N, channels, S, S) to maps (N, base_channels * S / 8, 4, 4)."""
    widths = stage_widths(image_size, base_channels)
    layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 4, stride=2, padding=1, bias=False)]
    layers += [nn.LeakyReLU(0.2, True)]
    for before, after in pairwise(widths):
        layers += [nn.Conv2d(before, after, 4, stride=2, padding=1, bias=norm == "none")]
        layers += [*normalise(after, norm), nn.LeakyReLU(0.2, True)]
    return layers


class Discriminator(nn.Sequential):
    """Images (N, channels, image_size, image_size) to logits (N,); positive means real."""

    def __init__(self, channels: int, image_size: int, base_channels: int, norm: Norm = "batch") -> None:
        width = stage_widths(image_size, base_channels)[-1]
        head = [nn.Conv2d(width, 1, 4, bias=False), nn.Flatten(0)]
        super().__init__(*features(channels, image_size, base_channels, norm), *head)


def initialise(network: nn.Module) -> None:
    """Weights of convolutions ~ N(0, 0.02), of normalisation ~ N(1, 0.02); every bias 0, as the authors' code."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0, 0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d | nn.GroupNorm):
            nn.init.normal_(layer.weight, 1, 0.02)


class DCGAN(AdversarialTask):
    """Trains the two networks on uint8 images; ``val/fid`` chooses the best checkpoint.

    Args:
        class_names: one per class of the data; only the evaluation of the samples uses them.
        channels: 1 for grey, 3 for RGB.
        image_size: side of the images in pixels: 16, 32, 64 or 128.
        base_channels: channels of the stage nearest to the image; doubled at each halving of the side.
        latent_dim: length of the noise vector.
        generator_norm: "batch" as in the paper, "layer" or "none".
        discriminator_norm: "batch", "layer" or "none"; a gradient penalty or R1 needs one of the last two.
        options: see ``SamplingOptions``.

    Raises:
        ValueError: ``image_size`` is not one of those, or an option does not fit.
    """

    options_type = SamplingOptions
    options: SamplingOptions

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        base_channels: int = 64,
        latent_dim: int = 100,
        generator_norm: Norm = "batch",
        discriminator_norm: Norm = "batch",
        **options: Unpack[SamplingKwargs],
    ) -> None:
        super().__init__(**options)
        self.save_hyperparameters(logger=False)
        self.sampler = NoiseSampler(self.generate, latent_dim, class_names)
        self.evaluation = SamplingEvaluation(self.sampler, self.options)
        self.generator = Generator(channels, image_size, base_channels, latent_dim, generator_norm)
        self.discriminator = Discriminator(channels, image_size, base_channels, discriminator_norm)
        initialise(self.generator)
        initialise(self.discriminator)
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
        """-E ln D(x) - E ln(1 - D(G(z))), or as ``loss`` says, () with a graph to D."""
        return self.criterion.discriminator_loss(self.critic, real, fake.detach(), self.watch)

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """-E ln D(G(z)), or as ``loss`` says, () with a graph to G."""
        return self.criterion.generator_loss(self.critic, real, fake)

    def generate(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """uint8 images (N, C, H, W) of the averaged generator for ``noise`` (N, latent_dim); labels have no meaning."""
        return to_uint8(self.ema(noise))

    def sample(self, count: int, label: str | None = None, seed: int | None = None) -> Predictions:
        """A row and an image for each of ``count`` samples; see ``leyden.core.technique.Samples``."""
        return self.sampler.sample(count, label, seed)
