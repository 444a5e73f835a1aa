"""Deep convolutional GAN (Radford, Metz and Chintala 2016, "Unsupervised Representation Learning with DCGAN").

G turns noise z ~ N(0, I) into an image, D tells images from the data and from G apart; each step descends

    D:  -E ln D(x) - E ln(1 - D(G(z)))
    G:  -E ln D(G(z))                      (non-saturating; or the minimax game's E ln(1 - D(G(z))))

The paper's guidelines (section 3): strided and transposed convolutions instead of pooling, no hidden fully connected
layer, batch normalisation in both except G's output and D's input, ReLU in G with tanh at its end, LeakyReLU(0.2) in
D; weights from N(0, 0.02), Adam with rate 2e-4 and beta1 0.5. At 64 pixels and width 64 these are the canonical
networks of 3,576,704 and 2,765,568 parameters; other sizes take away or add a stage.

Where we depart: the kernels are 4x4, as in the authors' later code, because 5x5 at stride 2 overlap unevenly
(checkerboards); noise is Gaussian instead of uniform; G's step uses the fakes of D's step instead of fresh ones, which
saves a pass; samples come from a moving average of G. Real and generated images pass D in separate batches: in one
batch its normalisation would tell them apart by their statistics alone.
"""

from itertools import pairwise
from typing import Any, Literal

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from leyden.gan.augment import cut_out, translate
from leyden.gan.base import Adversarial, to_signed, to_uint8
from leyden.gan.ema import Average
from leyden.gan.losses import GENERATOR_LOSSES, discriminator_loss
from leyden.nets.memory_format import MemoryFormat, arrange

SIZES = (16, 32, 64, 128)


def stage_widths(image_size: int, base_channels: int) -> list[int]:
    """Channels at sides image_size / 2, image_size / 4, ..., 4: doubling from ``base_channels``.

    Raises:
        ValueError: the size is not a power of two from 16 to 128.
    """
    if image_size not in SIZES:
        sizes = ", ".join(map(str, SIZES))
        raise ValueError(f"DCGAN makes images of side {sizes}, got {image_size}: set data.image_size to one of them")
    return [base_channels << stage for stage in range(image_size.bit_length() - 3)]


class Generator(nn.Sequential):
    """Noise (N, latent_dim) to images (N, channels, image_size, image_size) in -1..1 (figure 1 of the paper)."""

    def __init__(self, channels: int, image_size: int, base_channels: int, latent_dim: int) -> None:
        widths = stage_widths(image_size, base_channels)[::-1]
        layers: list[nn.Module] = [nn.Unflatten(1, (latent_dim, 1, 1))]
        layers += [nn.ConvTranspose2d(latent_dim, widths[0], 4, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU(True)]
        for before, after in pairwise(widths):
            layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(after), nn.ReLU(True)]
        layers += [nn.ConvTranspose2d(widths[-1], channels, 4, stride=2, padding=1, bias=False), nn.Tanh()]
        super().__init__(*layers)


class Discriminator(nn.Sequential):
    """Images (N, channels, image_size, image_size) to logits (N,); positive means real."""

    def __init__(self, channels: int, image_size: int, base_channels: int) -> None:
        widths = stage_widths(image_size, base_channels)
        layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 4, stride=2, padding=1, bias=False)]
        layers += [nn.LeakyReLU(0.2, True)]
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(after), nn.LeakyReLU(0.2, True)]
        layers += [nn.Conv2d(widths[-1], 1, 4, bias=False), nn.Flatten(0)]
        super().__init__(*layers)


def initialise(network: nn.Module) -> None:
    """Weights of convolutions ~ N(0, 0.02), of batch normalisation ~ N(1, 0.02) with bias 0, as the authors' code."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0, 0.02)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1, 0.02)


class DCGAN(Adversarial):
    """Trains the two networks on uint8 images; ``val/fid`` chooses the best checkpoint.

    Args:
        class_names: one per class of the data; only the judge of the samples uses them.
        channels: 1 for grey, 3 for RGB.
        image_size: side of the images in pixels: 16, 32, 64 or 128.
        base_channels: channels of the stage nearest to the image; doubled at each halving of the side.
        latent_dim: length of the noise vector.
        loss: what the generator descends: "non_saturating" or "minimax".
        label_smoothing: how far below 1 the discriminator's target for real images is.
        translation: before each look of the discriminator, real and generated images are shifted by up to this share
            of the side; the paper of ``leyden.gan.augment`` has 1/8 for few training images, 0 leaves it out.
        cutout: likewise, a square of this share of the side is blanked; the paper has 1/2.
        lr_generator: Adam's rate.
        lr_discriminator: Adam's rate.
        beta1: Adam's decay of the gradients' mean; the usual 0.9 makes the game oscillate.
        beta2: Adam's decay of the gradients' square.
        ema_decay: of the averaged generator that is sampled and judged; 0 takes the trained one itself.
        judge_samples: at most so many samples are held against as many real images.
        memory_format: "contiguous" or "channels_last".

    Raises:
        ValueError: ``image_size`` is not one of those, or ``ema_decay`` is outside [0, 1).
    """

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        base_channels: int = 64,
        latent_dim: int = 100,
        loss: Literal["non_saturating", "minimax"] = "non_saturating",
        label_smoothing: float = 0.0,
        translation: float = 0.0,
        cutout: float = 0.0,
        lr_generator: float = 2e-4,
        lr_discriminator: float = 2e-4,
        beta1: float = 0.5,
        beta2: float = 0.999,
        ema_decay: float = 0.995,
        judge_samples: int = 5000,
        memory_format: MemoryFormat = "contiguous",
    ) -> None:
        super().__init__(class_names, judge_samples)
        self.save_hyperparameters(logger=False)
        self.generator_loss = GENERATOR_LOSSES[loss]
        self.label_smoothing = label_smoothing
        self.translation = translation
        self.cutout = cutout
        self.latent_dim = latent_dim
        self.rates = (lr_generator, lr_discriminator)
        self.betas = (beta1, beta2)
        self.generator = Generator(channels, image_size, base_channels, latent_dim)
        self.discriminator = Discriminator(channels, image_size, base_channels)
        initialise(self.generator)
        initialise(self.discriminator)
        self.average = Average(self.generator, ema_decay)
        self.register_buffer("fixed_noise", self.noise(64, torch.Generator().manual_seed(0)))
        arrange(self, memory_format)

    def configure_optimizers(self) -> list[Optimizer]:
        """Adam for G and for D."""
        networks = (self.generator, self.discriminator)
        return [
            Adam(network.parameters(), rate, self.betas, fused=True)
            for network, rate in zip(networks, self.rates, strict=True)
        ]

    def training_step(self, batch: tuple[Tensor, Any], batch_idx: int) -> dict[str, Tensor]:
        """One step of D, then one of G."""
        real = to_signed(batch[0])
        fake = self.generator(self.noise(len(real)))
        log_now = self.log_now()
        optimizer_g, optimizer_d = self._optimizers()

        def loss_d() -> Tensor:
            on_real, on_fake = self.look(real), self.look(fake.detach())
            if log_now:
                self.log_dict({"train/d_real": on_real.sigmoid().mean(), "train/d_fake": on_fake.sigmoid().mean()})
            return discriminator_loss(on_real, on_fake, self.label_smoothing)

        def loss_g() -> Tensor:
            return self.generator_loss(self.look(fake))

        loss_discriminator = self.descend(optimizer_d, loss_d, counted=False)
        loss_generator = self.descend(optimizer_g, loss_g)
        self.follow(self.average, self.generator)
        loss = loss_generator + loss_discriminator
        if log_now:
            parts = {"train/loss_generator": loss_generator, "train/loss_discriminator": loss_discriminator}
            self.log_dict({"train/loss": loss, **parts})
        return {"loss": loss}

    def look(self, images: Tensor) -> Tensor:
        """Images (N, C, S, S) in -1..1 to the discriminator's float32 logits (N,), through random changes."""
        return self.discriminator(cut_out(translate(images, self.translation), self.cutout)).float()

    def noise(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """``count`` vectors (N, latent_dim) from N(0, I)."""
        device = generator.device if generator else self.device
        return torch.randn(count, self.latent_dim, generator=generator, device=device)

    def sample(self, noise: Tensor) -> Tensor:
        """uint8 images (N, C, H, W) of the averaged generator for ``noise`` (N, latent_dim)."""
        return to_uint8(self.average(noise))

    def _optimizers(self) -> list[LightningOptimizer]:
        optimizers = self.optimizers()
        assert isinstance(optimizers, list)
        return optimizers
