"""Content and style as two codes (Huang, Liu, Belongie and Kautz 2018, "Multimodal Unsupervised Image-to-Image
Translation", MUNIT): an image of one domain, in the style of any image of another.

Each domain X has an encoder of the content, c = E^c_X(x), a map that is normalised over each image, one of the style,
s = E^s_X(x), a short vector, and a decoder G_X(c, s), which is given the style by adaptive instance normalisation: a
small network turns s into the mean and the deviation of each channel. An image is translated by its content and a style
of the other domain, x_ab = G_B(c_a, s_b). All are trained together on (section 3, equations 1 to 5)

    ``image_weight``    E |G_A(c_a, s_a) - a|_1                    images are given back
    ``content_weight``  E |E^c_B(x_ab) - c_a|_1                    what is on an image stays
    ``style_weight``    E |E^s_B(x_ab) - s_b|_1                    a style is seen in what was made with it
    ``cycle_weight``    E |G_A(E^c_B(x_ab), s_a) - a|_1            there and back (section 5.1, their option)
    adversarial         E (D_B(x_ab) - 1)^2 and E D_B(x_ab)^2 + (D_B(b) - 1)^2

and the same with A and B exchanged. It needs no pairs and no labels: what is content follows from what both domains
have in common.

``swap`` says where s_b comes from in training: "prior", N(0, I) as in the paper, which lets styles be drawn; or
"images", the style of another image of the batch, which is what a swap of styles between images asks for.

Where we depart: a step's discriminators and encoders see the same translations, where the authors make them twice; the
deviations that the decoder is given are 1 plus the small network's output, so that an untrained one is near the
identity; no perceptual loss, which they use for images above 512 pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple, Unpack

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from leyden.core.optim import Schedule
from leyden.core.technique import NO_OPTIONS, Predictions, PredictOptions
from leyden.data.batches.gan.unpaired import DOMAINS, Unpaired
from leyden.gan.base import AdversarialTask, Player
from leyden.gan.content_style.evaluation import SwapEvaluation, data_of
from leyden.gan.content_style.nets import AutoEncoder, MultiScaleDiscriminator
from leyden.gan.content_style.style_images import StyleImages, predict_styles
from leyden.gan.criterion import Watch
from leyden.gan.image_to_image.any_size import at_any_size
from leyden.gan.losses import LossName
from leyden.gan.noise_to_image.dcgan import initialise
from leyden.gan.options import AdversarialKwargs, AdversarialOptions
from leyden.gan.penalties import Critic
from leyden.gan.pixels import to_signed, to_uint8

Swap = Literal["prior", "images"]


@dataclass(frozen=True)
class ContentStyleOptions(AdversarialOptions):
    """``AdversarialOptions`` with the paper's values (appendix B)."""

    loss: LossName = "least_squares"
    lr_generator: float = 1e-4
    lr_discriminator: float = 1e-4
    schedule: Schedule = "step"
    ema_decay: float = 0.0


class Side(NamedTuple):
    """What a step knows of a domain, N images of it each."""

    real: Tensor
    """(N, C, S, S) in -1..1."""
    content: Tensor
    """Of these."""
    style: Tensor
    """(N, style_dim) of these."""
    wanted: Tensor
    """(N, style_dim) styles that the other domain's contents are given; constants."""
    fake: Tensor
    """(N, C, S, S): the other domain's contents in these styles."""


class ContentStyle(AdversarialTask):
    """Trains encoders and decoders of two domains; the lowest ``val/texture_distance`` chooses the best checkpoint.

    Args:
        class_names: of domain A's data; nothing here uses them.
        channels: 1 for grey, 3 for RGB, of both domains; given by the data.
        image_size: side of the training images in pixels, a multiple of 2^downs; given by the data.
        base_channels: of the encoders' first and the decoders' last convolution but one.
        downs: halvings of the side on the way to a content.
        blocks: residual blocks of each content encoder and each decoder.
        style_dim: length of a style.
        shared_content: one content encoder for both domains. Two, as in the paper, may agree on negatives.
        style_width: hidden numbers of the networks that turn styles into means and deviations.
        discriminator_channels: of the discriminators' first convolutions.
        discriminator_layers: convolutions of stride 2 in each.
        scales: of the images that either domain's discriminators see, each half as large as the one before.
        swap: where styles come from in training: "prior" as in the paper, or "images".
        image_weight: of the images that are given back.
        content_weight: of the contents of translations.
        style_weight: of the styles of translations.
        cycle_weight: of images that were translated there and back; 0 leaves it out, as the paper mostly does.
        adversarial_weight: of the decoders' adversarial loss; least squares are halved here, not in the paper.
        styles: images of each domain in whose styles ``leyden predict`` draws, of B's classes in turn.
        eval_samples: at most so many images are compared with as many of B.
        options: see ``ContentStyleOptions``.

    Raises:
        ValueError: ``image_size`` does not fit ``downs`` or the discriminators, or an option does not fit.
    """

    options_type = ContentStyleOptions
    input_type: ClassVar[str] = "images"

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        base_channels: int = 64,
        downs: int = 2,
        blocks: int = 4,
        style_dim: int = 8,
        style_width: int = 256,
        shared_content: bool = False,
        discriminator_channels: int = 64,
        discriminator_layers: int = 4,
        scales: int = 3,
        swap: Swap = "prior",
        image_weight: float = 10.0,
        content_weight: float = 1.0,
        style_weight: float = 1.0,
        cycle_weight: float = 0.0,
        adversarial_weight: float = 2.0,
        styles: int = 4,
        eval_samples: int = 5000,
        **options: Unpack[AdversarialKwargs],
    ) -> None:
        super().__init__(**options)
        self.save_hyperparameters(logger=False)
        least = 2 ** (discriminator_layers + scales - 1)
        if image_size % 2**downs or image_size < least:
            raise ValueError(
                f"data.image_size={image_size}: take a multiple of {2**downs} (model.downs) from {least} "
                "(model.discriminator_layers, model.scales), or fewer of these"
            )
        if swap not in ("prior", "images"):
            raise ValueError(f"model.swap must be prior or images, got {swap!r}")
        self.channels, self.image_size, self.multiple, self.swap = channels, image_size, 2**downs, swap
        self.image_weight, self.content_weight, self.style_weight = image_weight, content_weight, style_weight
        self.cycle_weight, self.adversarial_weight, self.style_dim = cycle_weight, adversarial_weight, style_dim
        sizes = (channels, base_channels, downs, blocks, style_dim, style_width, image_size)
        self.generator = nn.ModuleDict({domain: AutoEncoder(*sizes) for domain in "ab"})
        if shared_content:
            self.networks("b").content = self.networks("a").content
        looks = (channels, discriminator_channels, discriminator_layers, scales)
        self.discriminator = nn.ModuleDict({domain: MultiScaleDiscriminator(*looks) for domain in "ab"})
        initialise_encoders(self.generator)
        initialise(self.discriminator)
        self.criterion.constrain(self.discriminator)
        self.shown = nn.ModuleDict({domain: StyleImages(styles, channels, image_size) for domain in "ab"})
        self.evaluation = SwapEvaluation(eval_samples)
        d_a, d_b = self.discriminator["a"], self.discriminator["b"]
        self.set_players(
            discriminator_a=Player(d_a, self.discriminator_a_loss, self.options.lr_discriminator),
            discriminator_b=Player(d_b, self.discriminator_b_loss, self.options.lr_discriminator),
            generator=Player(self.generator, self.generator_loss, self.options.lr_generator, self.options.n_critic),
        )

    def networks(self, domain: str, averaged: bool = False) -> AutoEncoder:
        """The encoders and the decoder of a domain, "a" or "b": those that learn, or their average."""
        found = (self.ema.network.eval() if averaged else self.generator).get_submodule(domain)
        assert isinstance(found, AutoEncoder)
        return found

    def styles_of(self, domain: str) -> StyleImages:
        """The images that show styles of a domain."""
        found = self.shown[domain]
        assert isinstance(found, StyleImages)
        return found

    def on_fit_start(self) -> None:
        """Chooses the images whose styles are shown."""
        data = data_of(self)
        for domain, source in zip(DOMAINS, (data.source, data.target), strict=True):
            self.styles_of(domain).choose(data.domain(domain, "train"), source.class_names)

    def prepare(self, batch: Unpaired) -> tuple[Side, Side]:
        """Images, codes and translations of A and of B."""
        reals = [to_signed(batch.a.images), to_signed(batch.b.images)]
        with self.graph_for("generator"):
            nets = [self.networks(domain) for domain in DOMAINS]
            contents = [own.content(real) for own, real in zip(nets, reals, strict=True)]
            styles = [own.style(real) for own, real in zip(nets, reals, strict=True)]
            wanted = [self.wanted(style) for style in styles]
            fakes = [own.decode(*codes) for own, *codes in zip(nets, contents[::-1], wanted, strict=True)]
        a, b = (Side(*parts) for parts in zip(reals, contents, styles, wanted, fakes, strict=True))
        return a, b

    def wanted(self, styles: Tensor) -> Tensor:
        """Styles (N, style_dim) to translate with: those of the images, as constants, or draws from N(0, I)."""
        return styles.detach() if self.swap == "images" else torch.randn_like(styles)

    def critics(self, domain: str) -> list[Critic]:
        """A domain's discriminators: each gives float32 logits (N, 1, H', W') of images (N, C, S, S) in -1..1."""
        networks = self.discriminator[domain]
        assert isinstance(networks, MultiScaleDiscriminator)
        return [partial(networks.look, scale=scale, augment=self.criterion.augment) for scale in range(len(networks))]

    def generator_loss(self, a: Side, b: Side) -> Tensor:
        """The loss of all encoders and decoders together (equation 5), () with a graph to them."""
        return self.way_loss("a", "b", a, b) + self.way_loss("b", "a", b, a)

    def way_loss(self, name: str, other_name: str, own: Side, other: Side) -> Tensor:
        """What translating a domain's images into the other domain, and what giving them back, costs, ()."""
        nets, nets_other = self.networks(name), self.networks(other_name)
        content_again = nets_other.content(other.fake)
        loss = self.image_weight * l1_loss(nets.decode(own.content, own.style), own.real)
        loss = loss + self.content_weight * l1_loss(content_again, own.content)
        loss = loss + self.style_weight * l1_loss(nets_other.style(other.fake), other.wanted)
        if self.cycle_weight:
            loss = loss + self.cycle_weight * l1_loss(nets.decode(content_again, own.style), own.real)
        for critic in self.critics(other_name):
            loss = loss + self.adversarial_weight * self.criterion.generator_loss(critic, other.real, other.fake)
        return loss

    def discriminator_a_loss(self, a: Side, b: Side) -> Tensor:
        """The loss of A's discriminators on A's images and on B's contents in styles of A, () with a graph."""
        return self.discriminator_loss("a", a.real, a.fake.detach())

    def discriminator_b_loss(self, a: Side, b: Side) -> Tensor:
        """The loss of B's discriminators on B's images and on A's contents in styles of B, () with a graph."""
        return self.discriminator_loss("b", b.real, b.fake.detach(), self.watch)  # those of A are not watched

    def discriminator_loss(self, domain: str, real: Tensor, fake: Tensor, watch: Watch | None = None) -> Tensor:
        """The sum of the losses of a domain's discriminators, () with a graph; the finest of them is watched."""
        first, *rest = self.critics(domain)
        loss = self.criterion.discriminator_loss(first, real, fake, watch)
        for critic in rest:
            loss = loss + self.criterion.discriminator_loss(critic, real, fake)
        return loss

    @torch.no_grad()
    def style_codes(self, images: Tensor, domain: str = "b") -> Tensor:
        """(N, style_dim) styles of uint8 images (N, channels, S, S) of a domain, by the averaged networks."""
        network = self.networks(domain, averaged=True).style
        return torch.cat([network(to_signed(part)).float() for part in images.split(256)])

    @torch.no_grad()
    def restyle(self, images: Tensor, codes: Tensor, way: str = "ab") -> Tensor:
        """uint8 images (N, channels, H, W) of any size in styles (N, style_dim), uint8 of that shape.

        Args:
            images: the contents, of the first domain of ``way``.
            codes: of the second one.
            way: "ab" or "ba".
        """
        own, other = (self.networks(domain, averaged=True) for domain in way)
        made = []
        for part, code in zip(images.split(256), codes.split(256), strict=True):
            network = partial(_redraw, own.content, other.decode, code)
            made.append(to_uint8(at_any_size(network, to_signed(part), self.multiple, 4 * self.multiple)))
        return torch.cat(made)

    def predict(self, inputs: Sequence[Tensor], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """Draws each image in each style; see ``leyden.gan.content_style.style_images.predict_styles``.

        Args:
            inputs: uint8 (C, H, W) of any sizes.
            options: its ``direction``: A2B, unless given, takes them for images of A and has styles of B.
        """
        options.only(self, "direction")
        way = {"A2B": "ab", "B2A": "ba"}[options.direction or "A2B"]
        return predict_styles(self, inputs, self.styles_of(way[1]), way)

    def set_support(self, images: Sequence[Tensor], labels: Tensor, class_names: list[str]) -> None:
        """Takes the styles of other images of B from now on: the mean of those of a class."""
        self.styles_of("b").support(images, labels, class_names)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the names of the styles."""
        for domain in DOMAINS:
            self.styles_of(domain).save(checkpoint, domain)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes back the names of the styles."""
        for domain in DOMAINS:
            self.styles_of(domain).load(checkpoint, domain)


def _redraw(content: nn.Module, decode: nn.Module, code: Tensor, images: Tensor) -> Tensor:
    return decode(content(images), code.expand(len(images), -1))


def initialise_encoders(network: nn.Module) -> None:
    """Weights of encoders and decoders as the authors' (He et al. 2015), without biases at first."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
