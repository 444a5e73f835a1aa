"""Context encoders (Pathak, Krähenbühl, Donahue, Darrell and Efros 2016, "Context Encoders: Feature Learning by
Inpainting"): what was in the hole of an image, from what is around it.

With M = 1 in the hole and 0 outside, F sees the image x with its hole filled by a constant, and lowers

    ``reconstruction_weight`` |W (x - F(x, M))|^2 / |W|     (equation 1; W below)
    - ``adversarial_weight`` E ln D(x (1 - M) + F(x, M) M)  (equations 2 and 3)

D tells whole images from completed ones; weights 0.999 and 0.001 (section 3.2). The squared error alone gives the mean
of all that may have been there, which is blurred where there is a choice; D wants one of them. The paper's prediction
overlaps what is known, by 7 pixels of 128, and errors there weigh ten times as much, so that it joins: W = 1 in the
hole, ``overlap_weight`` in a band of ``overlap`` pixels around it, 0 elsewhere.

F (``leyden.gan.completion.nets``): convolutions of stride 2 down to 4x4, a channel-wise fully connected layer, through
which each place hears of all others, a 1x1 convolution, and transposed convolutions.

Where we depart. The paper has a network for holes in the middle, which makes a square of half the side, and one for
holes anywhere; ours sees M besides and fills any hole. The constant is the mean colour of what is known of the image.
With ``skips`` the decoder also sees the encoder's maps of its side. D sees the completed image, since a hole may have
any shape; the paper's sees the square that was made. The authors' code has 128 pixels, 64 channels and, where the paper
has the channel-wise layer, a convolution of 4,000 channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from leyden.core.technique import NO_OPTIONS, Predictions, PredictOptions
from leyden.data.columns import HoledImages
from leyden.gan.base import AdversarialTask, Player
from leyden.gan.completion.hole_evaluation import HoleEvaluation
from leyden.gan.completion.nets import ContextGenerator
from leyden.gan.completion.windows import fill_any
from leyden.gan.image_to_image.nets import PatchDiscriminator
from leyden.gan.noise_to_image.dcgan import initialise
from leyden.gan.options import AdversarialKwargs, AdversarialOptions
from leyden.gan.pixels import to_signed, to_uint8


@dataclass(frozen=True)
class ContextEncoderOptions(AdversarialOptions):
    """``AdversarialOptions`` with the authors' values: F learns ten times as fast as D."""

    lr_generator: float = 2e-3
    ema_decay: float = 0.0


class ContextEncoder(AdversarialTask):
    """Trains a network that fills holes; the highest ``val/psnr`` inside the hole chooses the best checkpoint.

    Args:
        channels: 1 for grey, 3 for RGB.
        image_size: side of the training images in pixels: 16, 32, 64, 128, ...
        hole_size: greatest height and width of a hole in training, fraction of the side; given by the data. Wider holes
            of larger images are shrunk to it.
        base_channels: of F's first convolution.
        skips: whether F's decoder sees the encoder's maps, as a U-Net's does; the paper's does not.
        discriminator_channels: of D's first convolution.
        discriminator_layers: convolutions of stride 2 in D: 3 see patches of 70 pixels, 2 of 34, 1 of 16.
        reconstruction_weight: of the squared error.
        adversarial_weight: of F's adversarial loss; 0: the squared error alone.
        overlap: width in pixels of the band around the hole that is predicted, too; 7 in the paper, for 128 pixels.
        overlap_weight: of squared errors in it.
        options: see ``ContextEncoderOptions``.

    Raises:
        ValueError: the side is none of these, or too small for D, or an option does not fit.
    """

    options_type = ContextEncoderOptions
    input_type: ClassVar[str] = "images"

    def __init__(
        self,
        channels: int,
        image_size: int,
        hole_size: float = 0.5,
        base_channels: int = 64,
        skips: bool = False,
        discriminator_channels: int = 64,
        discriminator_layers: int = 2,
        reconstruction_weight: float = 0.999,
        adversarial_weight: float = 0.001,
        overlap: int = 2,
        overlap_weight: float = 10.0,
        **options: Unpack[AdversarialKwargs],
    ) -> None:
        super().__init__(**options)
        self.save_hyperparameters(logger=False)
        least = 2 ** (discriminator_layers + 2)
        if image_size < least:
            raise ValueError(
                f"data.image_size={image_size} is too small for model.discriminator_layers={discriminator_layers}: "
                f"take {least} or more, or fewer layers"
            )
        if overlap < 0:
            raise ValueError(f"model.overlap={overlap}: a width in pixels, from 0")
        self.channels, self.image_size, self.hole_size = channels, image_size, hole_size
        self.reconstruction_weight, self.adversarial_weight = reconstruction_weight, adversarial_weight
        self.overlap, self.overlap_weight = overlap, overlap_weight
        self.evaluation = HoleEvaluation(self.complete)
        self.generator = ContextGenerator(channels, image_size, base_channels, skips)
        self.discriminator = PatchDiscriminator(channels, discriminator_channels, discriminator_layers)
        initialise(self.generator)
        initialise(self.discriminator)
        self.criterion.constrain(self.discriminator)
        self.set_players(
            discriminator=Player(self.discriminator, self.discriminator_loss, self.options.lr_discriminator),
            generator=Player(self.generator, self.generator_loss, self.options.lr_generator, self.options.n_critic),
        )

    def prepare(self, batch: HoledImages) -> tuple[Tensor, Tensor, Tensor]:
        """Images (N, C, S, S) in -1..1, their holes (N, 1, S, S), and what F makes of them, whole."""
        images = to_signed(batch.images)
        with self.graph_for("generator"):
            return images, batch.holes, self.generator(seen(images, batch.holes)).float()

    def critic(self, images: Tensor) -> Tensor:
        """D's float32 logits (N, 1, H', W') of images (N, C, S, S) in -1..1, which it sees augmented."""
        return self.discriminator(self.criterion.augment(images)).float()

    def discriminator_loss(self, images: Tensor, holes: Tensor, made: Tensor) -> Tensor:
        """-E ln D(x) - E ln(1 - D(completed x)) (equation 2), or as ``loss`` says, () with a graph to D."""
        completed = torch.where(holes, made.detach(), images)
        return self.criterion.discriminator_loss(self.critic, images, completed, self.watch)

    def generator_loss(self, images: Tensor, holes: Tensor, made: Tensor) -> Tensor:
        """The weighted squared error and the adversarial loss (equation 3), () with a graph to F."""
        error = reconstruction_loss(made, images, holes, self.overlap, self.overlap_weight)
        loss = self.reconstruction_weight * error
        if self.adversarial_weight:
            completed = torch.where(holes, made, images)
            loss = loss + self.adversarial_weight * self.criterion.generator_loss(self.critic, images, completed)
        return loss

    @torch.no_grad()
    def complete(self, images: Tensor, holes: Tensor) -> Tensor:
        """uint8 images (N, C, S, S) with their holes (N, 1, S, S) filled, every other pixel as it is."""
        with torch.autocast(images.device.type, enabled=False):
            made = self.ema(seen(to_signed(images), holes))
        return torch.where(holes, to_uint8(made), images)

    def predict(self, inputs: Sequence[Tensor], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """Fills the holes of images, see ``leyden.gan.completion.windows.fill_any``.

        Args:
            inputs: uint8 (C, H, W) of any sizes, grey or RGB.
            options: masks, true in the holes, are needed.

        Returns:
            for each, ``width``, ``height`` and ``filled``, the number of pixels; and the completed image, in which all
            other pixels are as they were.

        Raises:
            ValueError: there are no masks, one leaves nothing of its image, or another option is given.
        """
        options.only(self, "masks")
        if options.masks is None:
            raise ValueError(
                "nobody says what is to be filled in: give --mask FILE, an image that is white in the hole, or "
                "--mask FOLDER with one under the name of each input"
            )
        rows: list[dict[str, Any]] = []
        completed = []
        for image, mask in zip(inputs, options.masks, strict=True):
            if mask.all():
                raise ValueError(
                    "a mask is white all over, so nothing is known to go by: leave some of the image black"
                )
            filled = fill_any(
                self.complete,
                image.to(self.device),
                mask.to(self.device),
                self.channels,
                self.image_size,
                self.hole_size,
            )
            rows.append({"width": image.shape[2], "height": image.shape[1], "filled": int(mask.sum())})
            completed.append(filled.cpu().expand(3, -1, -1))
        return Predictions(rows, completed)


def seen(images: Tensor, holes: Tensor) -> Tensor:
    """What F sees: images (N, C, H, W) in -1..1, the mean colour of what is known of each in its hole, and the hole."""
    known = ~holes
    mean = (images * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp_min(1)
    return torch.cat([torch.where(holes, mean, images), holes.to(images)], 1)


def reconstruction_loss(made: Tensor, images: Tensor, holes: Tensor, overlap: int, overlap_weight: float) -> Tensor:
    """Mean of W (x - F(x, M))^2 over the hole and the band around it (equation 1 and section 3.2).

    Args:
        made: (N, C, H, W), F's.
        images: of that shape.
        holes: bool (N, 1, H, W).
        overlap: width of the band in pixels.
        overlap_weight: W in the band; 1 in the hole.

    Returns:
        () loss.
    """
    inside = holes.float()
    wide = F.max_pool2d(inside, 2 * overlap + 1, 1, overlap) if overlap else inside
    weight = inside + overlap_weight * (wide - inside)
    return (weight * (made - images).square()).sum() / (weight.sum() * images.shape[1]).clamp_min(1)
