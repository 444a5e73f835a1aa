"""Photo-realistic single image super-resolution by a GAN: SRGAN, and SRResNet on the way (Ledig et al. 2017).

G enlarges an image by ``scale``. First it minimises the mean squared error of pixels (equation 4); what comes out,
called SRResNet, has the highest PSNR and blurs what it cannot know. Then adversarial training begins from it:

    D:  -E ln D(I_HR) - E ln(1 - D(G(I_LR)))                                     (equation 2; ``loss`` chooses others)
    G:  MSE(phi(G(I_LR)), phi(I_HR)) - ``adversarial_weight`` E ln D(G(I_LR))    (equations 3, 5 and 6)

with features phi of VGG19 and weight 1e-3. PSNR falls, and the texture looks right (section 3.4 of the paper).

G (figure 4): 9x9 convolution, PReLU; B = 16 residual blocks of two 3x3 convolutions with batch normalisation and a
PReLU between; another 3x3 convolution and the skip around all blocks; for each doubling a 3x3 convolution to four
times the channels, PixelShuffle and PReLU; 9x9 convolution. D: eight 3x3 convolutions, 64 to 512 channels, every second
of stride 2, LeakyReLU(0.2), batch normalisation behind all but the first; then 1024 units, then one. G's input is in
0..1, what it makes and what D sees in -1..1. With all biases and one slope per PReLU, G has 1,549,462 parameters at
x4 and D 23,565,505 at 96 pixels.

Where we depart: G starts as linear interpolation (the residual branch at zero, the first channels handing the image
through; see ``leyden.gan.super_resolution.nets``), which spares a short training to find that out, and changes no
layer. D's logit replaces its sigmoid. G's step uses the fakes of D's step. Images and scores come from a moving
average of G, which is also what SRResNet is. ``schedule`` runs through either phase: "step" is the paper's second one.
MSE(phi) is the mean over places and channels, where equation 5 divides by the places alone: with VGG19's 512 channels
the paper's content loss is 512 times ours, and ``adversarial_weight`` weighs so much more here than the same number
there. Our labs' objective is not the paper's: adversarial weight 2e-2, a pixel loss, and the perceptual network that
is trained here.
"""

import copy
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.v2.functional import rgb_to_grayscale

from leyden.core.attached import attached_data
from leyden.core.optim import SCHEDULES, Schedule
from leyden.core.technique import NO_OPTIONS, Predictions, PredictOptions
from leyden.data.batches.gan.crops import SuperResolution, enlarge, shrink
from leyden.data.columns import Images
from leyden.gan.base import AdversarialTask, Player
from leyden.gan.noise_to_image.dcgan import Norm
from leyden.gan.options import AdversarialKwargs, AdversarialOptions
from leyden.gan.pixels import to_signed, to_uint8
from leyden.gan.super_resolution.evaluation import EnlargementEvaluation
from leyden.gan.super_resolution.nets import Discriminator, Generator, upscale_tiled
from leyden.gan.super_resolution.perceptual import DISTORTIONS, Perceptual, load_perceptual, train_perceptual
from leyden.nets.memory_format import arrange
from leyden.visualization.logging import logs_now

log = logging.getLogger(__name__)

PATCHES = 1024
"""Training crops that the perceptual network learns from."""


@dataclass(frozen=True)
class SRGANOptions(AdversarialOptions):
    """``AdversarialOptions`` with the paper's values (section 3.2)."""

    lr_generator: float = 1e-4
    lr_discriminator: float = 1e-4
    schedule: Schedule = "step"
    beta1: float = 0.9


class SRGAN(AdversarialTask):
    """Trains SRResNet, then SRGAN, on uint8 crops; ``leyden.data.batches.gan.crops`` has the data.

    The best checkpoint is the one with the lowest ``val/swd``, the texture's distance from the original's (see
    ``leyden.metrics.generated.super_resolution``): PSNR would choose the end of the first phase, and the training loss
    says nothing about it. Where there is no second phase it is the one with the highest ``val/psnr_y``. Scores end in
    ``_bicubic`` and ``_srresnet`` for these two, so that all three stand beside each other.

    Args:
        channels: 1 for grey, 3 for RGB.
        image_size: side of the training crops in pixels.
        scale: 2, 4 or 8.
        base_channels: of G's inner maps.
        blocks: residual blocks of G.
        generator_norm: "batch" as in the paper, "layer", or "none" as in EDSR (Lim et al. 2017).
        discriminator_channels: of D's first convolution.
        discriminator_norm: "batch" as in the paper, "layer" or "none"; a gradient penalty or R1 needs one of the last
            two.
        discriminator_pool: whether D takes the mean over all places before its hidden layer.
        mse_steps: batches of the first phase, in which only G steps; None is all of them: SRResNet alone.
        lr_mse: Adam's rate in the first phase; later ``lr_generator``.
        adversarial_weight: of G's adversarial loss beside the content loss.
        pixel_weight: of the pixels' mean squared error beside both; 0 in the paper. Features that were not learned from
            a million images leave colours loose, which this holds.
        perceptual: network of the content loss: "distortions", which is trained here, see
            ``leyden.gan.super_resolution.perceptual``, or one of ``leyden.nets.zoo``.
        perceptual_layer: stage of that network, such as "conv5" of "vgg19"; None is "conv2" of "distortions".
        perceptual_weights: of that network: "imagenet", or a file.
        perceptual_cache: folder where the network that is trained here is kept for other runs on the same data.
        lpips_weights: SqueezeNet 1.1's, "imagenet" or a file: scores by LPIPS too. None leaves it out.
        options: see ``SRGANOptions``.

    Raises:
        ValueError: the scale is none of these, the crops are no multiple of it, or an option does not fit.
    """

    options_type = SRGANOptions
    input_type: ClassVar[str] = "images"
    generator: Generator
    switched: Tensor
    """() bool: whether the second phase has begun, so that ``srresnet`` is what the first one left."""

    def __init__(
        self,
        channels: int,
        image_size: int,
        scale: int = 4,
        base_channels: int = 64,
        blocks: int = 16,
        generator_norm: Norm = "batch",
        discriminator_channels: int = 64,
        discriminator_norm: Norm = "batch",
        discriminator_pool: bool = False,
        mse_steps: int | None = 1000,
        lr_mse: float = 1e-4,
        adversarial_weight: float = 1e-3,
        pixel_weight: float = 0.0,
        perceptual: str = DISTORTIONS,
        perceptual_layer: str | None = None,
        perceptual_weights: str | None = None,
        perceptual_cache: str | None = None,
        lpips_weights: str | None = None,
        **options: Unpack[AdversarialKwargs],
    ) -> None:
        super().__init__(**options)
        self.save_hyperparameters(logger=False)
        self.generator = Generator(channels, scale, base_channels, blocks, generator_norm)
        if image_size % scale:
            near = image_size - image_size % scale or scale
            raise ValueError(f"crops of data.image_size={image_size} cannot be shrunk {scale} times: take {near}")
        if perceptual != DISTORTIONS and not (perceptual_layer and perceptual_weights):
            raise ValueError(f"model.perceptual={perceptual} needs model.perceptual_layer and model.perceptual_weights")
        if mse_steps is not None and mse_steps < 0:
            raise ValueError(f"model.mse_steps={mse_steps}: a number of batches, from 0; null is all of them")
        self.channels, self.scale = channels, scale
        self.mse_steps, self.lr_mse = mse_steps, lr_mse
        self.adversarial_weight, self.pixel_weight = adversarial_weight, pixel_weight
        self.perceptual_choice = perceptual, perceptual_layer, perceptual_weights
        self.perceptual_cache = Path(perceptual_cache) if perceptual_cache else None
        self.perceptual: Perceptual | None = None
        choose_by: Literal["psnr_y", "swd"] = "psnr_y" if mse_steps is None else "swd"
        self.evaluation = EnlargementEvaluation(self.methods, scale, choose_by, lpips_weights)
        size = (channels, image_size, discriminator_channels)
        self.discriminator = Discriminator(*size, discriminator_norm, discriminator_pool)
        self.criterion.constrain(self.discriminator)
        self.set_players(
            discriminator=Player(self.discriminator, self.discriminator_loss, self.options.lr_discriminator),
            generator=Player(self.generator, self.generator_loss, self.options.lr_generator, self.options.n_critic),
        )
        self.srresnet = copy.deepcopy(self.ema.network)
        self.register_buffer("switched", torch.tensor(False))

    @property
    def adversarial(self) -> bool:
        """Whether the present batch is one of the second phase."""
        return self.mse_steps is not None and self.global_step >= self.mse_steps

    def active_players(self) -> list[str]:
        """G alone in the first phase, both in the second."""
        return super().active_players() if self.adversarial else ["generator"]

    def turns(self) -> list[str]:
        """G on every batch of the first phase; in the second as its options say."""
        return super().turns() if self.adversarial else ["generator"]

    def prepare(self, batch: Images) -> tuple[Tensor, Tensor]:
        """High-resolution images in -1..1, and the enlarged low-resolution ones: float32, in -1..1 but not clipped."""
        low_resolution = shrink(batch.images, self.scale).float() / 255
        with self.graph_for("generator"):
            return to_signed(batch.images), self.generator(low_resolution).float()

    def critic(self, images: Tensor) -> Tensor:
        """D's float32 logits (N,) of images (N, C, S, S) in -1..1, which it sees augmented."""
        return self.discriminator(self.criterion.augment(images)).float()

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """-E ln D(I_HR) - E ln(1 - D(G(I_LR))) (equation 2), or as ``loss`` says, () with a graph to D."""
        return self.criterion.discriminator_loss(self.critic, real, fake.detach(), self.watch)

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """The pixels' squared error (equation 4), later the perceptual loss (equation 3), () with a graph to G."""
        if not self.adversarial:
            loss = F.mse_loss(fake, real)
            if logs_now(self):
                self.log("train/loss_mse", loss.detach())
            return loss
        assert self.perceptual is not None
        content = self.perceptual.content(fake, real)
        if logs_now(self):
            self.log(f"train/content_{self.perceptual.name}", content.detach())
        if self.pixel_weight:
            content = content + self.pixel_weight * F.mse_loss(fake, real)
        return content + self.adversarial_weight * self.criterion.generator_loss(self.critic, real, fake)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Begins the second phase: SRResNet is kept as it is and is the first G; Adam forgets the other loss."""
        if self.global_step != self.mse_steps:
            return
        first = self.ema.network.state_dict()
        self.srresnet.load_state_dict(first)
        self.generator.load_state_dict(first)
        for optimizer in self.trainer.optimizers:
            optimizer.state.clear()  # D's is empty still
        self.switched.fill_(self.mse_steps > 0)

    def rate_factor(self, player: str) -> Callable[[int], float]:
        """What a player's rate is multiplied by after a number of batches: the schedule runs through either phase.

        D's batches are those of the second phase alone.
        """
        total = self.trainer.estimated_stepping_batches
        first = total if self.mse_steps is None else min(self.mse_steps, total)
        shape, lr_mse = SCHEDULES[self.options.schedule], self.lr_mse / self.options.lr_generator

        def second(step: float) -> float:
            return shape(min(1.0, step / (total - first))) if first < total else 1.0

        def both(step: int) -> float:
            return lr_mse * shape(step / first) if step < first else second(step - first)

        return both if player == "generator" else second

    def on_fit_start(self) -> None:
        """Makes the perceptual network, if this run comes as far as to need it."""
        total = self.trainer.estimated_stepping_batches
        if self.mse_steps is None:
            return
        if total <= self.mse_steps:
            log.warning(
                "all %d steps are of the first phase (model.mse_steps=%d): no adversarial training",
                *(total, self.mse_steps),
            )
        if total <= self.mse_steps or self.perceptual is not None:
            return
        data = attached_data(self.trainer, SuperResolution)
        if data is None:
            raise ValueError(
                "the perceptual network needs the data: hand them over, trainer.fit(model, datamodule=data)"
            )
        images = data.crops(PATCHES).fixed(seed=0).images.to(self.device)
        name, layer, weights = self.perceptual_choice
        if name == DISTORTIONS:
            self.perceptual = train_perceptual(images, layer or "conv2", self.perceptual_cache)
        else:
            self.perceptual = load_perceptual(name, layer or "", weights or "", images)
        arrange(self.perceptual.network, self.options.memory_format)

    def forward(self, images: Tensor) -> Tensor:
        """uint8 images (N, C, H, W) enlarged at once, to uint8 (N, C, scale H, scale W)."""
        return to_uint8(self.ema(images.float() / 255))

    @torch.no_grad()
    def upscale(self, images: Tensor, network: nn.Module | None = None) -> Tensor:
        """Enlarges uint8 images (N, C, H, W) of any size in full precision, by the averaged G or by ``network``."""
        with torch.autocast(images.device.type, enabled=False):
            return upscale_tiled(network or self.ema, images, self.scale, self.generator.reach)

    def methods(self, small: Tensor) -> dict[str, Tensor]:
        """uint8 images (N, C, H, W) enlarged by all there is to compare, by title; our own comes last."""
        found = {"bicubic": enlarge(small, self.scale)}
        if not self.switched:
            return found | {"SRResNet": self.upscale(small)}
        return found | {"SRResNet": self.upscale(small, self.srresnet), "SRGAN": self.upscale(small)}

    @torch.no_grad()
    def predict(self, inputs: Sequence[Tensor], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """Enlarges images.

        Args:
            inputs: uint8 (C, H, W) of any sizes, grey or RGB, turned into what the network takes.
            options: none has a meaning here.

        Returns:
            for each, ``width`` and ``height`` of the enlarged image, ``scale``; and that image.

        Raises:
            ValueError: a threshold is given.
        """
        options.only(self)
        rows: list[dict[str, Any]] = []
        enlarged = []
        for image in inputs:
            if len(image) != self.channels:
                image = rgb_to_grayscale(image) if self.channels == 1 else image.expand(self.channels, -1, -1)
            large = self.upscale(image[None].to(self.device))[0].cpu()
            rows.append({"width": large.shape[2], "height": large.shape[1], "scale": self.scale})
            enlarged.append(large.expand(3, -1, -1))
        return Predictions(rows, enlarged)
