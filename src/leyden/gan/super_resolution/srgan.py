"""Photo-realistic single image super-resolution by a GAN: SRGAN, and SRResNet on the way (Ledig et al. 2017).

G enlarges an image by ``scale``. First it descends the mean squared error of pixels (equation 4); what comes out,
called SRResNet, has the highest PSNR and blurs what it cannot know. Then the game begins, SRResNet being the first G:

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
layer. D's logit replaces its sigmoid. G's step uses the fakes of D's step. Pictures and scores come from a moving
average of G, which is also what SRResNet is. ``schedule`` runs through either phase: "step" is the paper's second one.
"""

import copy
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from torchvision.transforms.v2.functional import rgb_to_grayscale

from leyden.core.technique import NO_OPTIONS, Predictions, PredictOptions
from leyden.data.batches.crops import SuperResolution, enlarge, shrink, whole_multiple
from leyden.gan.adversarial import AdversarialModule, Game
from leyden.gan.descent import SCHEDULES
from leyden.gan.noise_to_image.dcgan import Norm
from leyden.gan.pixels import to_signed, to_uint8
from leyden.gan.super_resolution.evaluation import Comparison
from leyden.gan.super_resolution.nets import Discriminator, Generator, in_tiles
from leyden.gan.super_resolution.perceptual import DISTORTIONS, Perceptual, learnt, published
from leyden.nets.memory_format import arrange
from leyden.visualization.logging import log_image, logs_now

log = logging.getLogger(__name__)

PATCHES = 1024
"""Training crops that the perceptual network learns from."""


class SRGAN(AdversarialModule):
    """Trains SRResNet, then SRGAN, on uint8 crops; ``leyden.data.batches.crops`` has the data.

    The best checkpoint is the one with the lowest ``val/swd``, the texture's distance from the truth (see
    ``leyden.metrics.super_resolution``): PSNR would choose the end of the first phase, and the training loss is no
    judge of itself. Where there is no second phase it is the one with the highest ``val/psnr_y``. Scores end in
    ``_bicubic`` and ``_srresnet`` for these two, so that all three stand beside each other.

    Args:
        channels: 1 for grey, 3 for RGB.
        image_size: side of the training crops in pixels.
        scale: 2, 4 or 8.
        base_channels: of G's inner maps.
        blocks: residual blocks of G.
        generator_norm: "batch" as in the paper, "layer", or "none" as in EDSR (Lim et al. 2017).
        discriminator_channels: of D's first convolution.
        discriminator_norm: "batch" as in the paper, "layer" or "none"; a gradient penalty or R1 needs one of these.
        discriminator_pool: whether D takes the mean over all places before its hidden layer.
        mse_steps: batches of the first phase, in which D rests; None is all of them: SRResNet alone.
        lr_mse: Adam's rate in the first phase; later ``lr_generator``.
        adversarial_weight: of G's adversarial loss beside the content loss.
        pixel_weight: of the pixels' mean squared error beside both; 0 in the paper. Features that were not learnt from
            a million pictures leave colours loose, which this holds.
        perceptual: network of the content loss: "distortions", which is trained here, see
            ``leyden.gan.super_resolution.perceptual``, or one of ``leyden.nets.zoo``.
        perceptual_layer: stage of that network, such as "conv5" of "vgg19"; None is "conv2" of "distortions".
        perceptual_weights: of that network: "imagenet", or a file.
        perceptual_cache: folder where the network that is trained here is kept for other runs on the same data.
        lpips_weights: SqueezeNet 1.1's, "imagenet" or a file: scores by LPIPS too. None leaves it out.
        game: see ``AdversarialModule``.

    Raises:
        ValueError: the scale is none of these, the crops are no multiple of it, or an option does not fit.
    """

    input_type: ClassVar[str] = "images"
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
        mse_steps: int | None = None,
        lr_mse: float = 1e-4,
        adversarial_weight: float = 1e-3,
        pixel_weight: float = 0.0,
        perceptual: str = DISTORTIONS,
        perceptual_layer: str | None = None,
        perceptual_weights: str | None = None,
        perceptual_cache: str | None = None,
        lpips_weights: str | None = None,
        **game: Unpack[Game],
    ) -> None:
        super().__init__(**game)
        self.save_hyperparameters(logger=False)
        generator = Generator(channels, scale, base_channels, blocks, generator_norm)
        if image_size % scale:
            near = image_size - image_size % scale or scale
            raise ValueError(f"crops of data.image_size={image_size} cannot be shrunk {scale} times: take {near}")
        if perceptual != DISTORTIONS and not (perceptual_layer and perceptual_weights):
            raise ValueError(f"model.perceptual={perceptual} needs model.perceptual_layer and model.perceptual_weights")
        if mse_steps is not None and mse_steps < 0:
            raise ValueError(f"model.mse_steps={mse_steps}: a number of batches, from 0; null is all of them")
        self.channels, self.scale, self.reach = channels, scale, generator.reach
        self.mse_steps, self.lr_mse = mse_steps, lr_mse
        self.adversarial_weight, self.pixel_weight = adversarial_weight, pixel_weight
        self.monitor, self.mode = ("val/psnr_y", "max") if mse_steps is None else ("val/swd", "min")
        self.look_at = perceptual, perceptual_layer, perceptual_weights
        self.perceptual_cache = Path(perceptual_cache) if perceptual_cache else None
        self.comparison = Comparison(scale, lpips_weights)
        self.perceptual: Perceptual | None = None
        size = (channels, image_size, discriminator_channels)
        self.play(generator, Discriminator(*size, discriminator_norm, discriminator_pool))
        self.srresnet = copy.deepcopy(self.average.network)
        self.register_buffer("switched", torch.tensor(False))

    # The game.

    def prepare(self, batch: Any) -> tuple[Tensor, Tensor]:
        """The true images in -1..1 and, for G, the small ones made from them in 0..1."""
        return to_signed(batch.images), shrink(batch.images, self.scale).float() / 255

    def fake(self, real: Tensor, given: Tensor) -> Tensor:
        """The small images (N, C, H, W) enlarged: float32, in -1..1 but not clipped."""
        return self.generator(given).float()

    def generator_loss(self, real: Tensor, fake: Tensor, given: Tensor) -> Tensor:
        """The perceptual loss (equation 3)."""
        assert self.perceptual is not None
        content = self.perceptual.content(fake, real)
        if logs_now(self):
            self.log(f"train/content_{self.perceptual.name}", content.detach())
        if self.pixel_weight:
            content = content + self.pixel_weight * F.mse_loss(fake, real)
        return content + self.adversarial_weight * super().generator_loss(real, fake, given)

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, Tensor]:
        """A step of G alone down the mean squared error; in the second phase, one of D and one of G."""
        if self.mse_steps is not None and self.global_step >= self.mse_steps:
            if self.global_step == self.mse_steps:
                self._switch()
            return super().training_step(batch, batch_idx)
        real, given = self.prepare(batch)
        logged = logs_now(self)
        loss = self.descend("generator", self._optimizers()[0], lambda: F.mse_loss(self.fake(real, given), real))
        self.follow()
        self._schedules()[0].step()
        if logged:
            self.log_dict({"train/loss": loss, "train/loss_mse": loss})
        return {"loss": loss}

    def configure_optimizers(self) -> tuple[list[Optimizer], list[LRScheduler]]:
        """Adam for G and for D; the schedule runs through either phase."""
        optimizers = self.adams()
        total = self.trainer.estimated_stepping_batches
        first = total if self.mse_steps is None else min(self.mse_steps, total)
        shape = SCHEDULES[self.schedule]

        def second(step: float) -> float:
            return shape(min(1.0, step / (total - first))) if first < total else 1.0

        def both(step: int) -> float:
            return self.lr_mse / self.rates[0] * shape(step / first) if step < first else second(step - first)

        # D's steps are those of the second phase alone.
        return optimizers, [LambdaLR(optimizers[0], both), LambdaLR(optimizers[1], second)]

    def on_fit_start(self) -> None:
        """Makes the perceptual network, if this run comes as far as to need it."""
        total = self.trainer.estimated_stepping_batches
        if self.mse_steps is None:
            return
        if total <= self.mse_steps:
            log.warning("all %d steps are of the first phase (model.mse_steps=%d): no game", total, self.mse_steps)
        if total <= self.mse_steps or self.perceptual is not None:
            return
        data = getattr(self.trainer, "datamodule", None)
        if not isinstance(data, SuperResolution):
            raise ValueError(
                "the perceptual network needs the data: hand them over, trainer.fit(model, datamodule=data)"
            )
        images = data.crops(PATCHES).fixed(seed=0).images.to(self.device)
        name, layer, weights = self.look_at
        if name == DISTORTIONS:
            self.perceptual = learnt(images, layer or "conv2", self.perceptual_cache)
        else:
            self.perceptual = published(name, layer or "", weights or "", images)
        arrange(self.perceptual.network, self.memory_format)

    def _switch(self) -> None:
        """SRResNet is kept as it is and becomes the first G of the game; Adam forgets the other loss."""
        first = self.average.network.state_dict()
        self.srresnet.load_state_dict(first)
        self.generator.load_state_dict(first)
        self._optimizers()[0].optimizer.state.clear()
        self.switched.fill_(bool(self.mse_steps))

    # What is made of it.

    def forward(self, images: Tensor) -> Tensor:
        """uint8 images (N, C, H, W) enlarged at once, to uint8 (N, C, scale H, scale W)."""
        return to_uint8(self.average(images.float() / 255))

    @torch.no_grad()
    def upscale(self, images: Tensor, network: nn.Module | None = None) -> Tensor:
        """Enlarges uint8 images (N, C, H, W) of any size in full precision, by the averaged G or by ``network``."""
        with torch.autocast(images.device.type, enabled=False):
            return in_tiles(network or self.average, images, self.scale, self.reach)

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
        if options.threshold is not None:
            raise ValueError(f"{type(self).__name__} finds no boxes: leave --threshold out")
        rows: list[dict[str, Any]] = []
        pictures = []
        for image in inputs:
            if len(image) != self.channels:
                image = rgb_to_grayscale(image) if self.channels == 1 else image.expand(self.channels, -1, -1)
            large = self.upscale(image[None].to(self.device))[0].cpu()
            rows.append({"width": large.shape[2], "height": large.shape[1], "scale": self.scale})
            pictures.append(large.expand(3, -1, -1))
        return Predictions(rows, pictures)

    # How good it is.

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Scores a whole picture by all methods; see ``leyden.gan.super_resolution.evaluation``."""
        self._judge("val", batch.images, batch_idx)

    def on_validation_epoch_end(self) -> None:
        """Shows details side by side."""
        self._show()

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Scores a whole picture by all methods; see ``leyden.gan.super_resolution.evaluation``."""
        self._judge("test", batch.images, batch_idx)

    def on_test_epoch_end(self) -> None:
        """Shows details side by side."""
        self._show()

    def methods(self, small: Tensor) -> dict[str, Tensor]:
        """uint8 images (N, C, H, W) enlarged by all there is to compare, by title; our own comes last."""
        found = {"bicubic": enlarge(small, self.scale)}
        if not self.switched:
            return found | {"SRResNet": self.upscale(small)}
        return found | {"SRResNet": self.upscale(small, self.srresnet), "SRGAN": self.upscale(small)}

    def _judge(self, stage: Literal["val", "test"], images: Tensor, number: int) -> None:
        truth = whole_multiple(images, self.scale)
        small = shrink(truth, self.scale)
        large = self.methods(small)
        own = list(large)[-1]
        for title, found in large.items():
            scores = self.comparison.score(found, truth)
            if stage == "test":
                log.info("test picture %d by %s: %s", number, title, {k: round(v, 3) for k, v in scores.items()})
            suffix = "" if title == own else f"_{title.lower()}"
            named = {f"{stage}/{key}{suffix}": value for key, value in scores.items()}
            self.log_dict(named, batch_size=1, on_epoch=True, sync_dist=True)
        self.comparison.keep(small, large, truth)

    def _show(self) -> None:
        sheet = self.comparison.draw()
        if sheet is not None:
            log_image(self, "comparison", sheet)
