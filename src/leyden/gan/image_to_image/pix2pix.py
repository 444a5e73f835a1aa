"""pix2pix (Isola, Zhu, Zhou and Efros 2017, "Image-to-Image Translation with Conditional Adversarial Networks"): images
of one domain as if they were of another, learned from pairs.

G turns an image x into an image of the other domain, D sees x with a true image y or with G(x) and says whether the
pair is real. They are trained, D first, on (equations 1 to 4)

    D:  -E ln D(x, y) - E ln(1 - D(x, G(x)))
    G:  -E ln D(x, G(x)) + ``l1_weight`` E |y - G(x)|_1

L1 alone makes the median of all y that x may have, which blurs; D lets G pick one of them. There is no noise but
dropout, which stays on when images are made (section 3.3).

G is a U-Net, whose layers of equal size are joined: what both domains have in common, such as outlines, need not pass
the few numbers in the middle. D is a PatchGAN, which says of overlapping patches of 70 pixels whether they are real.
With batch normalisation, weights from N(0, 0.02), 256 pixels and RGB, G has 54,413,955 parameters (41,828,995 with 7
halvings, for 128 pixels) and D 2,768,705.

Where we depart: the paper halves D's loss, to which Adam is indifferent. Batch normalisation takes the statistics of
what it is given in evaluation as well, as the paper says, and images are translated one by one, so that a translation
does not depend on what others are asked for. "both" trains a second G and D for the way back, on the same pairs. The
innermost map of the U-Net may have one pixel, for it is not normalised.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Unpack

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from leyden.core.seeding import mix
from leyden.core.technique import NO_OPTIONS, Predictions, PredictOptions
from leyden.data.columns import ImagePairs
from leyden.data.splits import fit_channels
from leyden.gan.base import AdversarialTask, Player
from leyden.gan.image_to_image.any_size import at_any_size
from leyden.gan.image_to_image.nets import PatchDiscriminator, TranslationNorm
from leyden.gan.image_to_image.paired_evaluation import PairedEvaluation, Score
from leyden.gan.image_to_image.unet import UNet, checked_downs
from leyden.gan.noise_to_image.dcgan import initialise
from leyden.gan.options import AdversarialKwargs, AdversarialOptions
from leyden.gan.pixels import to_signed, to_uint8

Directions = Literal["A2B", "B2A", "both"]
WAYS: dict[Directions, tuple[str, ...]] = {"A2B": ("ab",), "B2A": ("ba",), "both": ("ab", "ba")}


@dataclass(frozen=True)
class Pix2PixOptions(AdversarialOptions):
    """``AdversarialOptions`` with the paper's values (section 3.3)."""

    ema_decay: float = 0.0


class Example(NamedTuple):
    """Images of a batch, (N, C, S, S) in -1..1, for one way."""

    given: Tensor
    true: Tensor
    made: Tensor


class Pix2Pix(AdversarialTask):
    """Trains a U-Net and a PatchGAN on pairs of images; the lowest ``val/l1`` chooses the best checkpoint.

    Args:
        channels_a: of the images of domain A: 1 for grey, 3 for RGB.
        channels_b: of domain B.
        image_size: side of the training images in pixels, a multiple of 2^downs.
        direction: "A2B", "B2A", or "both", with a G and a D for either.
        base_channels: of G's first convolution.
        downs: how many times G halves the side; None is as often as leaves whole pixels, 8 times at most, as the
            paper has it for 256 pixels.
        norm: of G and D: "batch" as in the paper, which with batches of one image is the same as "instance".
        dropout: probability in up to three layers of the decoder; as in the authors' code, there are none of these
            with 5 halvings (32 pixels) or fewer.
        dropout_at_test: whether it also acts when images are made, as in the paper.
        discriminator_channels: of D's first convolution.
        discriminator_layers: convolutions of stride 2 in D: 3 see patches of 70 pixels, 2 of 34, 1 of 16.
        adversarial_weight: of G's adversarial loss; 0 is a U-Net with L1 alone.
        l1_weight: of the absolute difference from the true image (lambda in the paper).
        choose_by: "l1", "psnr" or "ssim" of a validation, whose best value chooses the best checkpoint.
        options: see ``Pix2PixOptions``.

    Raises:
        ValueError: ``image_size`` does not fit ``downs`` or D, or an option does not fit.
    """

    options_type = Pix2PixOptions
    input_type: ClassVar[str] = "images"

    def __init__(
        self,
        channels_a: int,
        channels_b: int,
        image_size: int,
        direction: Directions = "A2B",
        base_channels: int = 64,
        downs: int | None = None,
        norm: TranslationNorm = "batch",
        dropout: float = 0.5,
        dropout_at_test: bool = True,
        discriminator_channels: int = 64,
        discriminator_layers: int = 3,
        adversarial_weight: float = 1.0,
        l1_weight: float = 100.0,
        choose_by: Score = "l1",
        **options: Unpack[AdversarialKwargs],
    ) -> None:
        super().__init__(**options)
        self.save_hyperparameters(logger=False)
        if direction not in WAYS:
            raise ValueError(f"model.direction must be one of {', '.join(WAYS)}, got {direction!r}")
        self.ways, self.channels = WAYS[direction], {"a": channels_a, "b": channels_b}
        self.downs = checked_downs(image_size, downs, discriminator_layers)
        self.adversarial_weight, self.l1_weight = adversarial_weight, l1_weight
        self.generator, self.discriminator = nn.ModuleDict(), nn.ModuleDict()
        for way in self.ways:
            given, made = (self.channels[domain] for domain in way)
            self.generator[way] = UNet(given, made, base_channels, self.downs, norm, dropout, running_statistics=False)
            self.discriminator[way] = PatchDiscriminator(
                given + made, discriminator_channels, discriminator_layers, norm
            )
        self.alone, self.dropout_at_test = norm == "batch", dropout_at_test
        initialise(self.generator)
        initialise(self.discriminator)
        self.criterion.constrain(self.discriminator)
        self.evaluation = PairedEvaluation(self.translate, self.ways, choose_by)
        self.set_players(
            discriminator=Player(self.discriminator, self.discriminator_loss, self.options.lr_discriminator),
            generator=Player(self.generator, self.generator_loss, self.options.lr_generator, self.options.n_critic),
        )

    def prepare(self, batch: ImagePairs) -> tuple[dict[str, Example]]:
        """For each way, the given images, the true ones and the translations of the former."""
        images = {"a": to_signed(batch.a), "b": to_signed(batch.b)}
        with self.graph_for("generator"):
            return ({way: self._example(images[way[0]], images[way[1]], way) for way in self.ways},)

    def _example(self, given: Tensor, true: Tensor, way: str) -> Example:
        return Example(given, true, self.generator[way](given))

    def critic(self, way: str, given: Tensor) -> Callable[[Tensor], Tensor]:
        """D as a function of images (N, C, S, S) in -1..1 beside the given ones, to float32 logits (N, 1, H', W')."""
        discriminator = self.discriminator[way]
        return lambda images: discriminator(self.criterion.augment(torch.cat([given, images], 1))).float()

    def discriminator_loss(self, examples: dict[str, Example]) -> Tensor:
        """D's loss (equation 1), summed over the ways, () with a graph to D."""
        losses = [
            self.criterion.discriminator_loss(self.critic(way, given), true, made.detach(), self.watch)
            for way, (given, true, made) in examples.items()
        ]
        return torch.stack(losses).sum()

    def generator_loss(self, examples: dict[str, Example]) -> Tensor:
        """G's loss (equation 4), summed over the ways, () with a graph to G."""
        loss = torch.zeros((), device=self.device)
        for way, (given, true, made) in examples.items():
            loss = loss + self.l1_weight * l1_loss(made, true)
            if self.adversarial_weight:
                adversarial = self.criterion.generator_loss(self.critic(way, given), true, made)
                loss = loss + self.adversarial_weight * adversarial
        return loss

    @torch.no_grad()
    def translate(self, images: Tensor, way: str) -> Tensor:
        """uint8 images (N, C, H, W) of any size in the other domain, uint8 (N, C', H, W), with the same noise.

        Args:
            images: with the channels of the domain.
            way: "ab" or "ba", one that was trained.
        """
        network, multiple = self.ema.network.eval().get_submodule(way), 2**self.downs
        for layer in network.modules():
            if isinstance(layer, nn.Dropout):
                layer.train(self.dropout_at_test)
        made = []
        with torch.random.fork_rng([images.device] if images.device.type == "cuda" else []):
            for number, part in enumerate(images.split(1 if self.alone else 256)):
                torch.manual_seed(mix(number))
                made.append(to_uint8(at_any_size(network, to_signed(part), multiple)))
        return torch.cat(made)

    def predict(self, inputs: Sequence[Tensor], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """Translates images, at their own sizes: what they show should be as large as in the training images.

        Args:
            inputs: uint8 (C, H, W) of any sizes, grey or RGB, turned into what the network takes.
            options: ``direction``, where both were trained.

        Returns:
            for each, ``width``, ``height`` and ``direction``; and the translated image.

        Raises:
            ValueError: another direction than those that were trained, or another option.
        """
        options.only(self, "direction")
        directions = {"ab": "A2B", "ba": "B2A"}
        way = next((way for way in self.ways if options.direction in (None, directions[way])), None)
        if way is None:
            trained = directions[self.ways[0]]
            raise ValueError(
                f"this run learned {trained} alone: leave --direction out, or train with model.direction=both"
            )
        rows: list[dict[str, Any]] = []
        made = []
        for image in inputs:
            fitted = fit_channels(image, self.channels[way[0]])[None].to(self.device)
            made.append(self.translate(fitted, way)[0].cpu().expand(3, -1, -1))
            rows.append({"width": image.shape[2], "height": image.shape[1], "direction": directions[way]})
        return Predictions(rows, made)
