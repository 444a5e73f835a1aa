"""CycleGAN (Zhu, Park, Isola and Efros 2017, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
Networks"): images of one domain as if they were of another, learned without pairs.

G turns images a of domain A into images of B, F images b of B into images of A; D_A and D_B tell real images of their
domain from translated ones. G and F together minimise (equations 1 to 3 and section 5.2, with least squares)

    E (D_B(G(a)) - 1)^2 + E (D_A(F(b)) - 1)^2                                   adversarial
    + ``cycle_weight`` (E |F(G(a)) - a|_1 + E |G(F(b)) - b|_1)                   cycle consistency
    + ``cycle_weight`` ``identity_weight`` (E |G(b) - b|_1 + E |F(a) - a|_1)     identity

and each discriminator 1/2 E (D_B(b) - 1)^2 + 1/2 E D_B(G(a))^2, in which translated images come from a pool of 50
(section 4). Each of the four networks is a function of images alone; what keeps an image's content is the cycle: F
could not find a again if G had dropped it.

Networks as in the authors' code: G and F are residual networks (c7s1-64, d128, d256, nine or six R256, u128, u64,
c7s1-3) of 11,378,179 or 7,837,699 parameters in RGB, D a PatchGAN of 2,764,737, which says of overlapping patches of 70
pixels whether they are real; instance normalisation, weights from N(0, 0.02).

Two options are of other papers: generators that say where they change an image (``attention``), and a loss on how much
they do (``change_weight``).

Where we depart: the rates follow ``schedule`` by batches, "late_linear" being the paper's; whole batches are
translated at once, where the paper has batches of one image.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Unpack

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from leyden.core.optim import Schedule
from leyden.data.batches.gan.unpaired import Unpaired
from leyden.gan.base import Player
from leyden.gan.criterion import Watch
from leyden.gan.image_to_image.evaluation import TranslationEvaluation
from leyden.gan.image_to_image.nets import Attentive, PatchDiscriminator, ResNetGenerator
from leyden.gan.image_to_image.pool import ImagePool
from leyden.gan.image_to_image.two_way import TwoWayTranslation
from leyden.gan.image_to_image.unet import UNet, possible_downs
from leyden.gan.losses import LossName
from leyden.gan.noise_to_image.dcgan import initialise
from leyden.gan.options import AdversarialKwargs, AdversarialOptions
from leyden.gan.pixels import to_signed


@dataclass(frozen=True)
class CycleGANOptions(AdversarialOptions):
    """``AdversarialOptions`` with the paper's values (section 4)."""

    loss: LossName = "least_squares"
    ema_decay: float = 0.0
    schedule: Schedule = "late_linear"


class CycleGAN(TwoWayTranslation):
    """Trains four networks on images of two domains; the lowest ``val/fid_ab`` chooses the best checkpoint.

    The names of metrics end in ``_ab`` for images of A translated into B, in ``_ba`` for the other way.

    Args:
        class_names: one per class of the data; only the evaluation uses them. Empty if there are none.
        channels: 1 for grey, 3 for RGB, of both domains.
        image_size: side of the images in pixels, a multiple of 4.
        base_channels: of G's and F's first convolution.
        blocks: residual blocks of G and of F.
        network: of G and F: "resnet" as in the paper, or "unet", which the authors' code has as well: its outermost
            layers are joined past all normalisation, so that it keeps brightness and contrast, and need no ``blocks``.
        attention: whether G and F also say where they change an image, and leave it as it is elsewhere; see
            ``Attentive``. The paper's do not.
        discriminator_channels: of D's first convolution.
        discriminator_layers: convolutions of stride 2 in D.
        adversarial_weight: of G's and F's adversarial loss; least squares are 1/2 (D - 1)^2 here, the paper has no 1/2.
        cycle_weight: of the cycle consistency (lambda in the paper).
        identity_weight: of the identity loss, as a fraction of ``cycle_weight``; it holds colours.
        change_weight: of E |G(a) - a|_1 + E |F(b) - b|_1, which keeps changes small and few. The paper has none; it is
            SimGAN's self-regularisation (Shrivastava et al. 2017, equation 4).
        pool_size: translations that either discriminator may see again.
        eval_samples: at most so many translations are compared with as many real images.
        options: see ``CycleGANOptions``.

    Raises:
        ValueError: ``image_size`` is no multiple of 4 or too small for D, or an option does not fit.
    """

    options_type = CycleGANOptions
    multiple, least = 4, 8  # two halvings; the residual blocks' margins of one pixel need two at a quarter of the side

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        base_channels: int = 64,
        blocks: int = 9,
        network: Literal["resnet", "unet"] = "resnet",
        attention: bool = False,
        discriminator_channels: int = 64,
        discriminator_layers: int = 3,
        adversarial_weight: float = 2.0,
        cycle_weight: float = 10.0,
        identity_weight: float = 0.5,
        change_weight: float = 0.0,
        pool_size: int = 50,
        eval_samples: int = 5000,
        **options: Unpack[AdversarialKwargs],
    ) -> None:
        super().__init__(**options)
        self.save_hyperparameters(logger=False)
        least = max(8, 2 ** (discriminator_layers + 2))
        if image_size % 4 or image_size < least:
            raise ValueError(f"data.image_size={image_size}: CycleGAN takes multiples of 4 from {least}")
        self.channels, self.image_size = channels, image_size
        self.adversarial_weight = adversarial_weight
        self.cycle_weight, self.identity_weight, self.change_weight = cycle_weight, identity_weight, change_weight
        self.evaluation = TranslationEvaluation(self.translate, len(class_names), eval_samples)
        out = channels + attention
        make: Any = partial(ResNetGenerator, channels, base_channels, blocks, out)
        if network == "unet":
            downs = possible_downs(image_size)
            make, self.multiple = partial(UNet, channels, out, base_channels, downs, "instance"), 2**downs
        self.generator = nn.ModuleDict({way: Attentive(make()) if attention else make() for way in ("ab", "ba")})
        sizes = (channels, discriminator_channels, discriminator_layers)
        self.discriminator = nn.ModuleDict({domain: PatchDiscriminator(*sizes) for domain in ("a", "b")})
        self.pool_a, self.pool_b = (ImagePool(pool_size, (channels, image_size, image_size)) for _ in "ab")
        initialise(self.generator)
        initialise(self.discriminator)
        self.criterion.constrain(self.discriminator)
        d_a, d_b = self.discriminator["a"], self.discriminator["b"]
        self.set_players(
            generator=Player(self.generator, self.generator_loss, self.options.lr_generator, self.options.n_critic),
            discriminator_a=Player(d_a, self.discriminator_a_loss, self.options.lr_discriminator),
            discriminator_b=Player(d_b, self.discriminator_b_loss, self.options.lr_discriminator),
        )

    def prepare(self, batch: Unpaired) -> tuple[Tensor, ...]:
        """Real images a and b, translations F(b) and G(a), and F(a) and G(b), which should change nothing.

        Returns:
            Six times (N, C, S, S) in -1..1, the last two empty where no identity loss is asked for. All images that a
            network takes pass it as one batch: instance normalisation knows no other images.
        """
        a, b = to_signed(batch.a.images), to_signed(batch.b.images)
        identity = self.identity_weight > 0 and "generator" in self.turns()
        with self.graph_for("generator"):
            fake_b, same_b = self.generator["ab"](torch.cat([a, b]) if identity else a).tensor_split([len(a)])
            fake_a, same_a = self.generator["ba"](torch.cat([b, a]) if identity else b).tensor_split([len(b)])
        return a, b, fake_a, fake_b, same_a, same_b

    def critic(self, domain: str, images: Tensor) -> Tensor:
        """A domain's D: float32 logits (N, 1, H', W') of images (N, C, S, S) in -1..1, which it sees augmented."""
        return self.discriminator[domain](self.criterion.augment(images)).float()

    def generator_loss(
        self, a: Tensor, b: Tensor, fake_a: Tensor, fake_b: Tensor, same_a: Tensor, same_b: Tensor
    ) -> Tensor:
        """The loss of G and F together (equation 3, with the identity loss), () with a graph to both."""
        g, f = self.generator["ab"], self.generator["ba"]
        adversarial = self.criterion.generator_loss(partial(self.critic, "b"), b, fake_b)
        adversarial = adversarial + self.criterion.generator_loss(partial(self.critic, "a"), a, fake_a)
        loss = self.adversarial_weight * adversarial
        loss = loss + self.cycle_weight * (l1_loss(f(fake_b), a) + l1_loss(g(fake_a), b))
        if weight := self.cycle_weight * self.identity_weight:
            loss = loss + weight * (l1_loss(same_b, b) + l1_loss(same_a, a))
        if self.change_weight:
            loss = loss + self.change_weight * (l1_loss(fake_b, a) + l1_loss(fake_a, b))
        return loss

    def discriminator_a_loss(self, a: Tensor, b: Tensor, fake_a: Tensor, *_: Tensor) -> Tensor:
        """D_A's loss on real images a and on translations F(b) of now and earlier, () with a graph to D_A."""
        return self.discriminator_loss("a", a, self.pool_a.query(fake_a.detach()))

    def discriminator_b_loss(self, a: Tensor, b: Tensor, fake_a: Tensor, fake_b: Tensor, *_: Tensor) -> Tensor:
        """D_B's loss on real images b and on translations G(a) of now and earlier, () with a graph to D_B."""
        return self.discriminator_loss("b", b, self.pool_b.query(fake_b.detach()), self.watch)  # D_A is not watched

    def discriminator_loss(self, domain: str, real: Tensor, fake: Tensor, watch: Watch | None = None) -> Tensor:
        """A D's loss on real images and on translations, () with a graph to it.

        Both pass it as one batch: instance normalisation knows no other images.
        """
        both = torch.cat([self.criterion.augment(real), self.criterion.augment(fake)])
        on_real, on_fake = self.discriminator[domain](both).float().tensor_split([len(real)])
        if watch is not None:
            watch(on_real, on_fake)
        loss = self.criterion.loss.discriminator(on_real, on_fake)
        return loss + self.criterion.penalty(partial(self.critic, domain), real, fake)
