"""Generators and discriminators that are given a description (Reed et al. 2016, figure 2, and later ways).

Shapes: N examples, T tokens, S the side of an image, Z ``latent_dim``, E ``text_dim``, K ``compressed_dim``.
"""

from itertools import pairwise
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from leyden.gan.noise_to_image import dcgan
from leyden.gan.noise_to_image.dcgan import features, initialise, stage_widths
from leyden.gan.text_to_image.encoders import Encoder, make_encoder
from leyden.gan.text_to_image.wrong_texts import WrongTexts

InGenerator = Literal["join", "batch_norm"]
InDiscriminator = Literal["join", "projection"]
SLOPE = 0.2
"""Of LeakyReLU below zero."""


class TextOptions(NamedTuple):
    """How descriptions become vectors; both networks have an encoder of their own."""

    encoder: Encoder
    vocabulary: int
    """Tokens that there are."""
    text_dim: int
    """E, numbers of an encoded description."""
    compressed_dim: int
    """K, numbers that are left of them before they meet noise or features."""


class Generator(nn.Module):
    """Noise (N, Z) and descriptions to images (N, channels, S, S) in -1..1.

    The description is encoded, compressed by a linear layer with LeakyReLU, and joined to the noise (Reed et al.,
    section 4.1); with "batch_norm" both also scale and shift the channels behind each normalisation (de Vries et al.
    2017), and there is no LeakyReLU, so that words act on the channels as a sum.
    """

    def __init__(
        self, text: TextOptions, channels: int, image_size: int, base_channels: int, latent_dim: int, way: InGenerator
    ) -> None:
        super().__init__()
        joined = latent_dim + text.compressed_dim
        self.encode = make_encoder(text.encoder, text.vocabulary, text.text_dim)
        bend = nn.LeakyReLU(SLOPE) if way == "join" else nn.Identity()
        self.compress = nn.Sequential(nn.Linear(text.text_dim, text.compressed_dim), bend)
        kind = dcgan.Generator if way == "join" else Conditioned
        self.layers = kind(channels, image_size, base_channels, joined)
        initialise(self.layers)

    def forward(self, noise: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Images (N, channels, S, S) of noise (N, Z) and descriptions, tokens (N, T) with lengths (N,)."""
        return self.draw(noise, self.encode(tokens, lengths))

    def draw(self, noise: Tensor, encoded: Tensor) -> Tensor:
        """Images (N, channels, S, S) of noise (N, Z) and encoded descriptions (N, E)."""
        return self.layers(torch.cat([noise, self.compress(encoded)], 1))


class Conditioned(nn.Module):
    """DCGAN's generator, each normalisation of which is scaled and shifted by noise and description (N, Z + K)."""

    def __init__(self, channels: int, image_size: int, base_channels: int, joined: int) -> None:
        super().__init__()
        widths = stage_widths(image_size, base_channels)[::-1]
        self.first = nn.ConvTranspose2d(joined, widths[0], 4, bias=False)
        self.stages = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(ConditionalNorm(width, joined) for width in widths)
        self.last = nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1, bias=False)

    def forward(self, joined: Tensor) -> Tensor:
        """Images of noise with the compressed description behind it."""
        maps = self.norms[0](self.first(joined[:, :, None, None]), joined).relu()
        for stage, norm in zip(self.stages, self.norms[1:], strict=True):
            maps = norm(stage(maps), joined).relu()
        return self.last(maps).tanh()


class ConditionalNorm(nn.Module):
    """Batch normalisation of maps (N, C, h, w), then x + a x + b with a and b linear in a condition (N, J)."""

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.scale_and_shift = nn.Linear(condition, 2 * width)
        nn.init.normal_(self.scale_and_shift.weight, 0, 0.02)
        nn.init.zeros_(self.scale_and_shift.bias)

    def forward(self, maps: Tensor, condition: Tensor) -> Tensor:
        """Maps (N, C, h, w)."""
        scale, shift = self.scale_and_shift(condition)[:, :, None, None].chunk(2, 1)
        return self.norm(maps) * (1 + scale) + shift


class Discriminator(nn.Module):
    """Images and descriptions to logits (N,): positive means real, and fitting.

    The image passes convolutions down to 4 x 4. Then its description meets it ("join"): encoded, compressed and
    repeated at each place beside the channels, a convolution 1 x 1, then one over all places (Reed et al., section
    4.1); or ("projection") the logit is l(h) + <V text, P h>, a part for the image and one for how well both fit
    (Miyato and Koyama 2018, eq. 8).
    """

    def __init__(
        self,
        text: TextOptions,
        channels: int,
        image_size: int,
        base_channels: int,
        norm: dcgan.Norm,
        way: InDiscriminator,
    ) -> None:
        super().__init__()
        width = stage_widths(image_size, base_channels)[-1]
        self.encode = make_encoder(text.encoder, text.vocabulary, text.text_dim)
        self.look = nn.Sequential(*features(channels, image_size, base_channels, norm))
        self.head = Join(text, width, norm) if way == "join" else Projection(text, width)
        initialise(self)

    def forward(self, images: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Logits (N,) of images (N, channels, S, S) with descriptions, tokens (N, T) and lengths (N,)."""
        return self.fits(self.look(images), self.encode(tokens, lengths))

    def fits(self, maps: Tensor, encoded: Tensor) -> Tensor:
        """Logits of what was seen in images (N, width, 4, 4).

        Args:
            maps: (N, width, 4, 4).
            encoded: a description (N, E) for each image, or K of them, (K, N, E).

        Returns:
            (N,) or (K, N).
        """
        return self.head(maps, encoded)


class Join(nn.Module):
    """Maps (N, width, 4, 4) and vectors (N, E) to logits (N,), the compressed vector beside each place's channels."""

    def __init__(self, text: TextOptions, width: int, norm: dcgan.Norm) -> None:
        super().__init__()
        self.compress = nn.Sequential(nn.Linear(text.text_dim, text.compressed_dim), nn.LeakyReLU(SLOPE))
        mix = nn.Conv2d(width + text.compressed_dim, width, 1, bias=norm == "none")
        self.mix = nn.Sequential(mix, *dcgan.normalise(width, norm), nn.LeakyReLU(SLOPE))
        self.logit = nn.Conv2d(width, 1, 4)

    def forward(self, maps: Tensor, encoded: Tensor) -> Tensor:
        """Logits (N,), or (K, N) of vectors (K, N, E)."""
        shape = encoded.shape[:-1]
        beside = self.compress(encoded)[..., None, None].expand(*shape, -1, *maps.shape[2:])
        joined = torch.cat([maps.expand(*shape, *maps.shape[1:]), beside], -3)
        return self.logit(self.mix(joined.flatten(0, -4))).view(shape)


class Projection(nn.Module):
    """Maps (N, width, 4, 4) and vectors (N, E) to logits (N,) = l(h) + <V text, P h> / sqrt(K)."""

    def __init__(self, text: TextOptions, width: int) -> None:
        super().__init__()
        self.real = nn.Conv2d(width, 1, 4)
        self.project = nn.Conv2d(width, text.compressed_dim, 4)
        self.compress = nn.Linear(text.text_dim, text.compressed_dim, bias=False)

    def forward(self, maps: Tensor, encoded: Tensor) -> Tensor:
        """Logits (N,), or (K, N) of vectors (K, N, E)."""
        fit = (self.project(maps).flatten(1) * self.compress(encoded)).sum(-1) / self.compress.out_features**0.5
        return self.real(maps).flatten() + fit


class Matcher(nn.Module):
    """Images and descriptions to how well they fit, logits (N,): <V text, P h> / sqrt(K).

    It never sees a generated image while it learns (the image-text matching model of AttnGAN, Xu et al. 2018, section
    3.2, here on whole images and whole descriptions). Convolutions 3 x 3 halve the side down to 4 x 4.
    """

    def __init__(self, text: TextOptions, channels: int, image_size: int, base_channels: int) -> None:
        super().__init__()
        widths = [channels, *stage_widths(image_size, base_channels)]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(SLOPE)]
        self.encode = make_encoder(text.encoder, text.vocabulary, text.text_dim)
        self.look = nn.Sequential(*layers, nn.Conv2d(widths[-1], text.compressed_dim, 4), nn.Flatten())
        self.compress = nn.Linear(text.text_dim, text.compressed_dim, bias=False)

    def forward(self, images: Tensor, encoded: Tensor) -> Tensor:
        """Logits (K, N) of images (N, channels, S, S) with K encoded descriptions of each, (K, N, E)."""
        return (self.look(images) * self.compress(encoded)).sum(-1) / self.compress.out_features**0.5


def check_ways(in_generator: InGenerator, in_discriminator: InDiscriminator, wrong_texts: WrongTexts) -> None:
    """Raises ValueError where an option has a value that there is not."""
    ways: dict[str, tuple[str, Any]] = {
        "text_in_generator": (in_generator, InGenerator),
        "text_in_discriminator": (in_discriminator, InDiscriminator),
        "wrong_texts": (wrong_texts, WrongTexts),
    }
    for option, (way, known) in ways.items():
        if way not in get_args(known):
            raise ValueError(f"model.{option}={way}: one of {', '.join(get_args(known))}")
