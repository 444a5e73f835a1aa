"""DiscoGAN (Kim, Cha, Kim, Lee and Kim 2017, "Learning to Discover Cross-Domain Relations with Generative Adversarial
Networks"): images of one domain as if they were of another, learned without pairs.

G_AB turns images a of domain A into images of B, G_BA images b of B into images of A; D_A and D_B tell real images of
their domain from translated ones. As in CycleGAN, of the same month, an image that is translated there and back must be
the image again. With d the mean squared error and (section 2.3, equations 3 to 7)

    generators:      -E ln D_B(G_AB(a)) + d(G_BA(G_AB(a)), a) - E ln D_A(G_BA(b)) + d(G_AB(G_BA(b)), b)
    discriminators:  -E ln D_B(b) - E ln(1 - D_B(G_AB(a))) - E ln D_A(a) - E ln(1 - D_A(G_BA(b)))

all four networks step on each batch. There is no identity loss and no pool of earlier translations.

``variant`` "authors" trains as the authors' code does, which is not the paper: with F_k(x) D's features behind its k-th
inner convolution and r = 0.01 for ``curriculum_steps`` batches, 0.5 after, the generators minimise for either way

    (1 - r) (0.1 (-E ln D_B(G_AB(a))) + 0.9 sum_k |E F_k(b) - E F_k(G_AB(a))|^2 / size of F_k) + r d(G_BA(G_AB(a)), a)

(feature matching of Salimans et al. 2016, section 3.1), and the discriminators half of their loss above; of each three
batches the discriminators step on the first alone, the generators on the other two alone.

Networks as in the authors' code: 4x4 convolutions of stride 2 down to 4x4 maps and transposed ones back up, batch
normalisation, 5,513,856 parameters at 64 pixels, or 7,153,480 with ``extra_layers``, which narrow the maps to 100
numbers; D is DCGAN's, 2,765,568. Adam 2e-4 (0.5, 0.999) with weight decay 1e-5. Fewer stages make smaller images.

Where we depart: images are in -1..1 and end in tanh, as in all of Leyden's GANs, where the authors have 0..1 and a
sigmoid, so that d is four times theirs: ``reconstruction_weight`` 0.25 is their scale, which the authors' variant has
built in. Weights start as DCGAN's, N(0, 0.02), where the code leaves PyTorch's; the logistic losses are computed on
logits; translations are made by batch statistics collected in training, not by those of the batch at hand.
"""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Literal, Unpack, get_args

from torch import Tensor, nn
from torch.nn.functional import mse_loss

from leyden.gan.base import Player
from leyden.gan.image_to_image.evaluation import TranslationEvaluation
from leyden.gan.image_to_image.two_way import TwoWayTranslation
from leyden.gan.noise_to_image.dcgan import Discriminator, initialise, stage_widths
from leyden.gan.options import AdversarialKwargs, AdversarialOptions

Variant = Literal["paper", "authors"]
WEIGHT_DECAY = 1e-5
BOTTLENECK = 100
"""Channels between the extra layers."""
ADVERSARIAL, MATCHING = 0.1, 0.9
"""Weights in the authors' code."""
EARLY_RATE, LATE_RATE = 0.01, 0.5
"""Of the reconstruction in the authors' code, before and after ``curriculum_steps``."""
RANGE = 0.25
"""What brings a squared error of images in -1..1 to that of images in 0..1."""


@dataclass(frozen=True)
class DiscoGANOptions(AdversarialOptions):
    """``AdversarialOptions`` with the paper's values (section 3.1)."""

    ema_decay: float = 0.0


class EncoderDecoder(nn.Sequential):
    """Images (N, channels, H, W) in -1..1 to images of that shape in -1..1, through maps that shrink and grow again.

    H and W are multiples of ``image_size`` / 4; with extra layers ``image_size`` at least.

    Args:
        channels: of the images.
        image_size: side in pixels for which the inmost maps are 4x4: 16, 32, 64 or 128.
        base_channels: of the first convolution, doubled at each halving of the side.
        extra_layers: whether the 4x4 maps become 100 numbers in between.
    """

    def __init__(self, channels: int, image_size: int, base_channels: int = 64, extra_layers: bool = False) -> None:
        widths = stage_widths(image_size, base_channels)
        layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.2, True)]
        if extra_layers:
            layers += [nn.Conv2d(widths[-1], BOTTLENECK, 4, bias=False), nn.BatchNorm2d(BOTTLENECK)]
            layers += [nn.LeakyReLU(0.2, True), nn.ConvTranspose2d(BOTTLENECK, widths[-1], 4, bias=False)]
            layers += [nn.BatchNorm2d(widths[-1]), nn.ReLU(True)]
        for before, after in pairwise(widths[::-1]):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(True)]
        super().__init__(*layers, nn.ConvTranspose2d(widths[0], channels, 4, 2, 1, bias=False), nn.Tanh())


def matching_loss(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Distance of two batches' mean features (Salimans et al. 2016, section 3.1), () with a graph to both.

    Args:
        real: of each layer (N, C, H, W).
        fake: of each layer (M, C, H, W).

    Returns:
        The squared difference of the means over the batch, averaged over C, H and W, summed over layers.
    """
    return sum((mse_loss(f.mean(0), r.mean(0)) for r, f in zip(real, fake, strict=True)), start=real[0].new_zeros(()))


class DiscoGAN(TwoWayTranslation):
    """Trains four networks on images of two domains; the lowest ``val/fid_ab`` chooses the best checkpoint.

    The names of metrics end in ``_ab`` for images of A translated into B, in ``_ba`` for the other way.

    Args:
        class_names: one per class of the data; only the evaluation uses them. Empty if there are none.
        channels: 1 for grey, 3 for RGB, of both domains.
        image_size: side of the images in pixels: 16, 32, 64 or 128.
        base_channels: of the first convolution of all networks, doubled at each halving of the side.
        extra_layers: whether the generators narrow the inmost maps to 100 numbers.
        variant: "paper", or "authors" for the losses and the turns of their code.
        reconstruction_weight: of the squared error of images there and back; for "paper".
        curriculum_steps: batches on which the reconstruction hardly counts; for "authors".
        eval_samples: at most so many translations are compared with as many real images.
        options: see ``DiscoGANOptions``.

    Raises:
        ValueError: ``image_size`` is not one of those, there is no such variant, or an option does not fit.
    """

    options_type = DiscoGANOptions

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        base_channels: int = 64,
        extra_layers: bool = False,
        variant: Variant = "paper",
        reconstruction_weight: float = 1.0,
        curriculum_steps: int = 10000,
        eval_samples: int = 5000,
        **options: Unpack[AdversarialKwargs],
    ) -> None:
        super().__init__(**options)
        self.save_hyperparameters(logger=False)
        if variant not in get_args(Variant):
            raise ValueError(f"model.variant must be one of {', '.join(get_args(Variant))}, got {variant!r}")
        if variant == "authors" and self.options.n_critic != 1:
            raise ValueError("model.variant=authors has turns of its own: leave model.n_critic=1")
        self.channels, self.image_size, self.multiple = channels, image_size, image_size // 4
        self.least = image_size if extra_layers else self.multiple
        self.variant, self.extra_layers = variant, extra_layers
        self.reconstruction_weight, self.curriculum_steps = reconstruction_weight, curriculum_steps
        self.evaluation = TranslationEvaluation(self.translate, len(class_names), eval_samples)
        sizes = (channels, image_size, base_channels)
        self.generator = nn.ModuleDict({way: EncoderDecoder(*sizes, extra_layers) for way in ("ab", "ba")})
        self.discriminator = nn.ModuleDict({domain: Discriminator(*sizes) for domain in ("a", "b")})
        initialise(self.generator)
        initialise(self.discriminator)
        self.criterion.constrain(self.discriminator)
        g, d, rates = self.generator, self.discriminator, self.options
        self.set_players(
            generator=Player(g, self.generator_loss, rates.lr_generator, rates.n_critic, weight_decay=WEIGHT_DECAY),
            discriminator=Player(d, self.discriminator_loss, rates.lr_discriminator, weight_decay=WEIGHT_DECAY),
        )

    def turns(self) -> list[str]:
        """The players that step on the present batch: both, or in the authors' code one of them."""
        if self.variant == "paper":
            return super().turns()
        return ["discriminator"] if self.global_step % 3 == 0 else ["generator"]

    def look(self, domain: str, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """What a domain's D makes of images (N, C, S, S) in -1..1, which it sees augmented.

        Returns:
            Its float32 logits (N,), and its float32 features (N, C', H, W) behind each inner convolution.
        """
        maps, features = self.criterion.augment(images), []
        for layer in self.discriminator[domain].children():
            maps = layer(maps)
            if isinstance(layer, nn.LeakyReLU):
                features.append(maps.float())
        return maps.float(), features[1:]

    def critic(self, domain: str, images: Tensor) -> Tensor:
        """A domain's D: float32 logits (N,) of images (N, C, S, S) in -1..1, which it sees augmented."""
        return self.look(domain, images)[0]

    def generator_loss(self, a: Tensor, b: Tensor, fake_a: Tensor, fake_b: Tensor) -> Tensor:
        """The loss of both generators (equation 6, or the authors'), () with a graph to both."""
        back = mse_loss(self.generator["ba"](fake_b).float(), a) + mse_loss(self.generator["ab"](fake_a).float(), b)
        pairs = (("a", a, fake_a), ("b", b, fake_b))
        if self.variant == "paper":
            losses = [self.criterion.generator_loss(partial(self.critic, d), real, fake) for d, real, fake in pairs]
            return losses[0] + losses[1] + self.reconstruction_weight * back
        rate = EARLY_RATE if self.global_step < self.curriculum_steps else LATE_RATE
        loss = rate * RANGE * back
        for domain, real, fake in pairs:
            (on_real, real_maps), (on_fake, fake_maps) = self.look(domain, real), self.look(domain, fake)
            adversarial = self.criterion.loss.generator(on_real, on_fake)
            loss = loss + (1 - rate) * (ADVERSARIAL * adversarial + MATCHING * matching_loss(real_maps, fake_maps))
        return loss

    def discriminator_loss(self, a: Tensor, b: Tensor, fake_a: Tensor, fake_b: Tensor) -> Tensor:
        """The loss of both discriminators (equation 7; half of it in the authors' code), () with a graph to both."""
        d_a, d_b = partial(self.critic, "a"), partial(self.critic, "b")
        loss = self.criterion.discriminator_loss(d_a, a, fake_a.detach())
        loss = loss + self.criterion.discriminator_loss(d_b, b, fake_b.detach(), self.watch)
        return loss if self.variant == "paper" else loss / 2
