"""Colourisation by a conditional GAN: pix2pix (Isola, Zhu, Zhou and Efros 2017, section 4) from lightness to colours.

In CIE L*a*b* an image is its lightness L, which a grey image has, and its colours a and b. G sees L and says a and b, D
sees L together with colours, patch by patch, and tells real ones from G's:

    D:  -E ln D(L, ab) - E ln(1 - D(L, G(L)))                                     (equation 1)
    G:  -``adversarial_weight`` E ln D(L, G(L)) + ``l1_weight`` E |ab - G(L)|_1   (equations 3 and 4)

with weights 1 and 100; networks see L / 50 - 1 and ab / 110. The L1 loss alone says the median of the colours that an
area may have, which is grey where there is a choice; D does not take grey for real.

With hints (Zhang et al. 2017, "Real-time user-guided image colorization with learned deep priors") G also sees the
colours of some pixels, and where they are.

Networks as in the paper: G is the U-Net, with ``downs`` 8 for 256 pixels, D the PatchGAN. Where we depart: G has no
dropout, so that colours are a function of the image; D normalises each image by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from leyden.core.optim import Schedule
from leyden.core.technique import NO_OPTIONS, Predictions, PredictOptions
from leyden.data.colour_space import AB_RANGE, to_lab, to_rgb
from leyden.data.columns import ColourImages
from leyden.data.splits import fit_channels
from leyden.gan.base import AdversarialTask, Player
from leyden.gan.completion.colour_evaluation import ColourEvaluation
from leyden.gan.image_to_image.any_size import at_any_size
from leyden.gan.image_to_image.nets import PatchDiscriminator
from leyden.gan.image_to_image.unet import UNet, UNetNorm, checked_downs
from leyden.gan.noise_to_image.dcgan import initialise
from leyden.gan.options import AdversarialKwargs, AdversarialOptions
from leyden.metrics.generated.colourfulness import colourfulness


@dataclass(frozen=True)
class ColouriseOptions(AdversarialOptions):
    """``AdversarialOptions`` with the values of pix2pix."""

    ema_decay: float = 0.0
    schedule: Schedule = "late_linear"


class Colourise(AdversarialTask):
    """Trains a network that colours grey images; the highest ``val/psnr_rgb`` chooses the best checkpoint.

    Args:
        image_size: side of the training images in pixels, a multiple of 2^downs; given by the data.
        hints: pixels whose colour is given in training, at most; 0: G sees the lightness alone.
        base_channels: of G's first convolution.
        downs: how many times G halves the side; None is as often as leaves whole pixels, 8 times at most, as the
            paper has it for 256 pixels.
        generator_norm: "batch" as in the paper, "instance" or "none".
        discriminator_channels: of D's first convolution.
        discriminator_layers: convolutions of stride 2 in D: 3 see patches of 70 pixels, 2 of 34, 1 of 16.
        adversarial_weight: of G's adversarial loss; 0: the L1 loss alone.
        l1_weight: of the colours' mean absolute error.
        options: see ``ColouriseOptions``.

    Raises:
        ValueError: ``image_size`` does not fit ``downs`` or D, or an option does not fit.
    """

    options_type = ColouriseOptions
    input_type: ClassVar[str] = "images"

    def __init__(
        self,
        image_size: int,
        hints: int = 0,
        base_channels: int = 64,
        downs: int | None = None,
        generator_norm: UNetNorm = "batch",
        discriminator_channels: int = 64,
        discriminator_layers: int = 2,
        adversarial_weight: float = 1.0,
        l1_weight: float = 100.0,
        **options: Unpack[AdversarialKwargs],
    ) -> None:
        super().__init__(**options)
        self.save_hyperparameters(logger=False)
        self.downs = checked_downs(image_size, downs, discriminator_layers)
        self.hints = hints
        self.adversarial_weight, self.l1_weight = adversarial_weight, l1_weight
        self.evaluation = ColourEvaluation(self.colours)
        self.generator = UNet(4 if hints else 1, 2, base_channels, self.downs, generator_norm)
        self.discriminator = PatchDiscriminator(3, discriminator_channels, discriminator_layers)
        initialise(self.generator)
        initialise(self.discriminator)
        self.criterion.constrain(self.discriminator)
        self.set_players(
            discriminator=Player(self.discriminator, self.discriminator_loss, self.options.lr_discriminator),
            generator=Player(self.generator, self.generator_loss, self.options.lr_generator, self.options.n_critic),
        )

    def prepare(self, batch: ColourImages) -> tuple[Tensor, Tensor, Tensor]:
        """L / 50 - 1 (N, 1, S, S), ab / 110 (N, 2, S, S), and the same of G."""
        seen = self.seen(*batch)
        with self.graph_for("generator"):
            return seen[:, :1], batch.ab / AB_RANGE, self.generator(seen).float()

    def seen(self, lightness: Tensor, ab: Tensor, hinted: Tensor) -> Tensor:
        """What G sees of L, a and b: L / 50 - 1, and with hints ab / 110 and 1 where they are given, else 0."""
        scaled = lightness / 50 - 1
        return torch.cat([scaled, ab / AB_RANGE * hinted, hinted.float()], 1) if self.hints else scaled

    def critic(self, lightness: Tensor, ab: Tensor) -> Tensor:
        """D's float32 logits (N, 1, H', W') of L and colours in -1..1, which it sees augmented."""
        return self.discriminator(self.criterion.augment(torch.cat([lightness, ab], 1))).float()

    def discriminator_loss(self, lightness: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        """-E ln D(L, ab) - E ln(1 - D(L, G(L))) (equation 1), or as ``loss`` says, () with a graph to D."""
        critic = partial(self.critic, lightness)
        return self.criterion.discriminator_loss(critic, real, fake.detach(), self.watch)

    def generator_loss(self, lightness: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        """The colours' L1 loss and the adversarial one (equations 3 and 4), () with a graph to G."""
        loss = self.l1_weight * F.l1_loss(fake, real)
        if self.adversarial_weight:
            critic = partial(self.critic, lightness)
            loss = loss + self.adversarial_weight * self.criterion.generator_loss(critic, real, fake)
        return loss

    @torch.no_grad()
    def colours(self, lightness: Tensor, ab: Tensor, hinted: Tensor) -> Tensor:
        """a and b (N, 2, H, W) by the averaged G, for images of any size; ``ab`` is looked at where it is ``hinted``.

        See ``leyden.gan.image_to_image.any_size``.
        """
        seen = self.seen(lightness, ab, hinted)
        with torch.autocast(seen.device.type, enabled=False):
            return at_any_size(self.ema, seen, 2**self.downs) * AB_RANGE

    def predict(self, inputs: Sequence[Tensor], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """Colours images; what colours they have is not looked at, but for hints.

        Args:
            inputs: uint8 (C, H, W) of any sizes, grey or RGB.
            options: masks, where the model has hints, say where colours are to be found: those of all other pixels are
                given.

        Returns:
            for each, ``width``, ``height`` and ``colourfulness``; and the coloured image, with the input's lightness.

        Raises:
            ValueError: masks for a model without hints, or another option.
        """
        options.only(self, *(["masks"] if self.hints else []))
        rows: list[dict[str, Any]] = []
        coloured = []
        for number, image in enumerate(inputs):
            rgb = fit_channels(image, 3)[None].to(self.device)
            lightness, ab = to_lab(rgb)
            hinted = torch.zeros_like(lightness, dtype=torch.bool)
            if options.masks is not None:
                hinted = ~options.masks[number].to(self.device)[None, None]
            result = to_rgb(lightness, self.colours(lightness, ab, hinted)).cpu()
            rows.append(
                {
                    "width": image.shape[2],
                    "height": image.shape[1],
                    "colourfulness": round(colourfulness(result).item(), 2),
                }
            )
            coloured.append(result[0])
        return Predictions(rows, coloured)
