"""AdaIN style transfer (Huang and Belongie 2017, "Arbitrary Style Transfer in Real-time with Adaptive Instance
Normalization"): the content of one image in the style of any other, in one pass.

A frozen encoder f turns images into maps. Adaptive instance normalisation brings each channel of the content's maps to
the mean and the standard deviation that it has in the style's (equation 8),

    AdaIN(x, y) = sigma(y) (x - mu(x)) / sigma(x) + mu(y)

and a decoder g, all that is trained, draws an image from t = AdaIN(f(c), f(s)). It lowers (equations 11 to 13)

    |f(g(t)) - t|^2 + ``style_weight`` sum_i (|mu(phi_i(g(t))) - mu(phi_i(s))|^2
                                              + |sigma(phi_i(g(t))) - sigma(phi_i(s))|^2)

phi_i being some stages of f; its target is t itself, not f(c). ``alpha`` at test goes from content to style
(equation 14): g((1 - alpha) f(c) + alpha t).

Where we depart: f is VGG19 up to relu4_1 in the paper, with relu1_1 to relu4_1 as phi_i. Ours is any network, see
``leyden.gan.content_style.encoders``; maps are divided by their mean size on training images, and losses are means, so
that weights mean the same with each. sigma is the root of the unbiased variance plus 1e-5, as in the much-used
implementation in PyTorch.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from lightning import LightningModule
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Adam

from leyden.core.optim import SCHEDULES, Schedule
from leyden.core.technique import NO_OPTIONS, Predictions, PredictOptions
from leyden.data.batches.gan.unpaired import DOMAINS, Unpaired
from leyden.gan.content_style.encoders import Decoder, Encoder
from leyden.gan.content_style.evaluation import SwapEvaluation, data_of, evaluate_images
from leyden.gan.content_style.style_images import StyleImages, predict_styles
from leyden.gan.image_to_image.any_size import at_any_size
from leyden.gan.pixels import to_signed, to_uint8
from leyden.visualization.logging import logs_now

EPSILON = 1e-5
"""Added to variances."""
SEEN = 512
"""Images of each domain that an autoencoder learns from."""


def statistics(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, each (N, C), of each channel of each image's maps (N, C, H, W)."""
    return maps.mean((2, 3)), (maps.var((2, 3)) + EPSILON).sqrt()


def adain(content: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Maps with the statistics of a style (equation 8).

    Args:
        content: (N, C, H, W).
        mean: (N, C) of the style.
        deviation: (N, C).

    Returns:
        (N, C, H, W).
    """
    own_mean, own_deviation = (each[:, :, None, None] for each in statistics(content))
    return (content - own_mean) / own_deviation * deviation[:, :, None, None] + mean[:, :, None, None]


def style_loss(made: Sequence[Tensor], style: Sequence[Tensor]) -> Tensor:
    """Mean squared differences of the statistics of maps, summed over the stages (equation 13), ().

    Args:
        made: of each stage (N, C, H, W).
        style: of each stage (N, C, H', W').
    """
    losses = [
        F.mse_loss(own, wanted)
        for maps, target in zip(made, style, strict=True)
        for own, wanted in zip(statistics(maps), statistics(target), strict=True)
    ]
    return torch.stack(losses).sum()


class AdaIN(LightningModule):
    """Trains a decoder on contents of A and styles of B; the lowest ``val/texture_distance`` is the best checkpoint.

    Args:
        class_names: of domain A's data; nothing here uses them.
        channels: of the images: 1 for grey, 3 for RGB; given by the data.
        image_size: side of the training images in pixels; given by the data.
        encoder: ``efficientnet_lite0`` or another network of ``leyden.nets.zoo``, or ``autoencoder``.
        weights: of a network of the zoo: "imagenet" or a file.
        encoder_steps: of an autoencoder's training, before the decoder's.
        stages: of the encoder, for the style loss; the last is normalised and decoded. None: the first three.
        base_channels: of the decoder's last convolution but one, doubled with each halving of the side.
        alpha: 0 to 1: how much of the style images are given, once the decoder is trained.
        style_weight: of the style loss (lambda in the paper).
        styles: images of B in whose styles ``leyden predict`` draws; one of each class in turn, where B has classes.
        eval_samples: at most so many images are compared with as many of B.
        lr: Adam's rate.
        schedule: of the rate over the run, as for all adversarial techniques.

    Raises:
        ValueError: ``alpha`` is outside [0, 1], or the encoder has no such stages.
    """

    input_type: ClassVar[str] = "images"
    least = 16

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        encoder: str = "efficientnet_lite0",
        weights: str = "imagenet",
        encoder_steps: int = 300,
        stages: list[str] | None = None,
        base_channels: int = 32,
        alpha: float = 1.0,
        style_weight: float = 10.0,
        styles: int = 4,
        eval_samples: int = 5000,
        lr: float = 1e-3,
        schedule: Schedule = "cosine",
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        if not 0 <= alpha <= 1:
            raise ValueError(f"model.alpha={alpha}: from 0, the content as it is, to 1, all of the style")
        self.channels, self.image_size, self.alpha, self.style_weight = channels, image_size, alpha, style_weight
        self.weights, self.encoder_steps, self.lr, self.schedule = weights, encoder_steps, lr, schedule
        self.encoder = Encoder(encoder, stages, channels, image_size)
        with torch.no_grad():
            side = self.encoder(torch.zeros(1, channels, 64, 64))[-1].shape[-1]
        self.multiple = 64 // side
        if image_size % self.multiple:
            raise ValueError(
                f"data.image_size={image_size}: maps of {self.encoder.stages[-1]} need multiples of {self.multiple}"
            )
        self.decoder = Decoder(self.encoder.widths[-1], channels, self.multiple.bit_length() - 1, base_channels)
        self.shown = StyleImages(styles, channels, image_size)
        self.evaluation = SwapEvaluation(eval_samples)
        self.monitor, self.mode, self.main_image = (
            self.evaluation.monitor,
            self.evaluation.mode,
            self.evaluation.main_image,
        )

    def on_fit_start(self) -> None:
        """Makes the encoder ready, and chooses the images whose styles are shown."""
        data = data_of(self)
        seen = [evaluate_images(data, domain, "train", self.device, SEEN) for domain in DOMAINS]
        self.encoder.make_ready(to_signed(torch.cat(seen)), self.weights, self.encoder_steps)
        self.shown.choose(data.domain("b", "train"), data.target.class_names)

    def training_step(self, batch: Unpaired, batch_index: int) -> Tensor:
        """The loss of the contents of A in the styles of B (equation 11)."""
        content, style = to_signed(batch.a.images), to_signed(batch.b.images)
        with torch.no_grad():
            styles = self.encoder(style)
            target = adain(self.encoder(content)[-1], *statistics(styles[-1]))
        made = self.encoder(self.decoder(target))
        loss_content, loss_style = F.mse_loss(made[-1], target), style_loss(made, styles)
        loss = loss_content + self.style_weight * loss_style
        if logs_now(self):
            self.log_dict({"train/loss": loss, "train/loss_content": loss_content, "train/loss_style": loss_style})
        return loss

    def configure_optimizers(self) -> Any:
        """Adam on the decoder, its rate by ``schedule``."""
        optimizer = Adam(self.decoder.parameters(), self.lr, fused=True)
        if self.schedule == "constant":
            return optimizer
        steps, shape = self.trainer.estimated_stepping_batches, SCHEDULES[self.schedule]
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: shape(min(1.0, step / steps)))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    @torch.no_grad()
    def style_codes(self, images: Tensor, domain: str = "b") -> Tensor:
        """(N, 2 C): mean and deviation of the last stage's C channels, of uint8 images (N, channels, S, S)."""
        return torch.cat([torch.cat(statistics(self.encoder(to_signed(part))[-1]), 1) for part in images.split(256)])

    @torch.no_grad()
    def restyle(self, images: Tensor, codes: Tensor, way: str = "ab", alpha: float | None = None) -> Tensor:
        """uint8 images (N, channels, H, W) of any size with the statistics (N, 2 C), uint8 of that shape.

        Args:
            images: the contents.
            codes: of ``style_codes``.
            way: has no meaning: one decoder draws all.
            alpha: 0 to 1; None is the model's own.
        """
        alpha = self.alpha if alpha is None else alpha

        def network(content: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
            maps = self.encoder(content)[-1]
            return self.decoder(torch.lerp(maps, adain(maps, mean, deviation), alpha))

        made = []
        for part, code in zip(images.split(256), codes.split(256), strict=True):
            mean, deviation = code.chunk(2, 1)
            drawn = at_any_size(lambda x: network(x, mean, deviation), to_signed(part), self.multiple, self.least)  # noqa: B023
            made.append(to_uint8(drawn))
        return torch.cat(made)

    def validation_step(self, batch: Unpaired, batch_index: int) -> None:
        """Nothing: whole splits are looked at."""

    def on_validation_epoch_end(self) -> None:
        """Logs scores and images."""
        self.evaluation.end(self, "val")

    def test_step(self, batch: Unpaired, batch_index: int) -> None:
        """Nothing: whole splits are looked at."""

    def on_test_epoch_end(self) -> None:
        """Logs scores and images, and what ``alpha`` does."""
        self.evaluation.end(self, "test")
        self.evaluation.log_strengths(self, self.restyle)

    def predict(self, inputs: Sequence[Tensor], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """Draws each image in each style; see ``leyden.gan.content_style.style_images.predict_styles``."""
        options.only(self)
        return predict_styles(self, inputs, self.shown)

    def set_support(self, images: Sequence[Tensor], labels: Tensor, class_names: list[str]) -> None:
        """Takes the styles of other images from now on: the mean of those of a class."""
        self.shown.support(images, labels, class_names)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the names of the styles."""
        self.shown.save(checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes back the names of the styles."""
        self.shown.load(checkpoint)
