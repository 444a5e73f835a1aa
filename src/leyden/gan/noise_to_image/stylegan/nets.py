"""The networks of StyleGAN: mapping and synthesis, which are the generator, and the discriminator."""

import math
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from leyden.gan.noise_to_image.stylegan.layers import (
    AdaINLayer,
    EqualisedConv,
    EqualisedLinear,
    MinibatchStd,
    ModulatedLayer,
    ToImage,
    normalise_second_moment,
)
from leyden.gan.noise_to_image.stylegan.resampling import fir_kernel, upsample

Style = Literal["modulation", "adain"]
"""How a layer gets its style: StyleGAN2's modulated convolutions, or the first StyleGAN's normalisation."""


def widths(image_size: int, base_channels: int, max_channels: int) -> dict[int, int]:
    """Channels at the sides 4, 8, ..., image_size: ``base_channels`` at the last, doubled at each halving.

    Raises:
        ValueError: the size is not a power of two from 8 to 1024.
    """
    if image_size not in (sides := [2**power for power in range(3, 11)]):
        raise ValueError(
            f"StyleGAN makes images of side {', '.join(map(str, sides))}, got {image_size}: set data.image_size"
        )
    stages = int(math.log2(image_size)) - 2
    return {4 << stage: min(base_channels << (stages - stage), max_channels) for stage in range(stages + 1)}


class Mapping(nn.Module):
    """Noise z to style w: z of unit second moment through fully connected layers, and the mean of all w so far.

    Args:
        latent_dim: length of z.
        style_dim: length of w.
        layers: their number, 8 in the papers, 2 for small images in "ADA".
        decay: of the moving average of w.
    """

    mean: Tensor
    """(style_dim,) the moving average of w."""

    def __init__(self, latent_dim: int, style_dim: int, layers: int, decay: float = 0.995) -> None:
        super().__init__()
        sizes = [latent_dim, *[style_dim] * layers]
        pairs = pairwise(sizes)
        self.layers = nn.Sequential(*(EqualisedLinear(a, b, "leaky_relu", lr_multiplier=0.01) for a, b in pairs))
        self.decay = decay
        self.register_buffer("mean", torch.zeros(style_dim))

    def forward(self, noise: Tensor) -> Tensor:
        """Styles w (N, style_dim) of noise (N, latent_dim); in training they move the mean."""
        w = self.layers(normalise_second_moment(noise))
        if self.training:
            self.mean.lerp_(w.detach().float().mean(0), 1 - self.decay)
        return w

    def truncate(self, w: Tensor, psi: float) -> Tensor:
        """mean + psi (w - mean) (Karras et al. 2019, appendix B): at 0 all are the mean, at 1 they stay as they are."""
        return w if psi == 1 else self.mean.lerp(w, psi)


class ModulatedSynthesis(nn.Module):
    """StyleGAN2's: each side's maps add to an image, which is upsampled on the way (Karras et al. 2020, fig. 7b).

    Args:
        channels: of the images.
        sides: channels of the maps by their side, from 4.
        style_dim: length of w.
    """

    kernel: Tensor

    def __init__(self, channels: int, sides: dict[int, int], style_dim: int) -> None:
        super().__init__()
        self.constant = nn.Parameter(torch.randn(sides[4], 4, 4))
        self.first, self.second, self.to_image = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        before = sides[4]
        for side, width in sides.items():
            if side > 4:
                self.first.append(ModulatedLayer(before, width, style_dim, side, up=True))
            self.second.append(ModulatedLayer(width, width, style_dim, side))
            self.to_image.append(ToImage(width, channels, style_dim))
            before = width
        self.register_buffer("kernel", fir_kernel(), persistent=False)

    def forward(self, ws: Tensor) -> Tensor:
        """Images (N, channels, S, S) of a style for each layer, ws (N, layers, style_dim)."""
        each = ws.unbind(1)
        maps = self.second[0](self.constant.expand(len(ws), -1, -1, -1), each[0])
        image = self.to_image[0](maps, each[1])
        for stage, (first, second, to_image) in enumerate(
            zip(self.first, self.second[1:], self.to_image[1:], strict=True)
        ):
            styles = each[2 * stage + 1 : 2 * stage + 4]
            maps = second(first(maps, styles[0]), styles[1])
            image = upsample(image, self.kernel) + to_image(maps, styles[2])
        return image


class AdaINSynthesis(nn.Module):
    """The first StyleGAN's: normalised maps take on each layer's style; colours of the last maps alone.

    Args:
        channels: of the images.
        sides: channels of the maps by their side, from 4.
        style_dim: length of w.
    """

    def __init__(self, channels: int, sides: dict[int, int], style_dim: int) -> None:
        super().__init__()
        self.constant = nn.Parameter(torch.ones(sides[4], 4, 4))
        self.layers = nn.ModuleList()
        before = 0
        for side, width in sides.items():
            self.layers.append(AdaINLayer(before, width, style_dim, side, up=before > 0))
            self.layers.append(AdaINLayer(width, width, style_dim, side))
            before = width
        self.to_image = EqualisedConv(before, channels, 1, "linear")

    def forward(self, ws: Tensor) -> Tensor:
        """Images (N, channels, S, S) of a style for each layer, ws (N, layers, style_dim)."""
        maps = self.constant.expand(len(ws), -1, -1, -1)
        for layer, w in zip(self.layers, ws.unbind(1), strict=True):
            maps = layer(maps, w)
        return self.to_image(maps)


class Generator(nn.Module):
    """Noise (N, latent_dim) to images (N, channels, image_size, image_size) around -1..1.

    In training styles are mixed and noise is drawn; in evaluation styles are truncated and noise is fixed.

    Args:
        channels: of the images.
        image_size: their side, a power of two from 8.
        style: "modulation" or "adain".
        base_channels: at the images' side; doubled at each halving.
        max_channels: at most so many.
        latent_dim: length of z.
        style_dim: length of w.
        mapping_layers: between them.
        style_mixing: share of the images with two styles.
        truncation: psi of ``Mapping.truncate``.
    """

    def __init__(
        self,
        channels: int,
        image_size: int,
        style: Style,
        base_channels: int,
        max_channels: int,
        latent_dim: int,
        style_dim: int,
        mapping_layers: int,
        style_mixing: float = 0.0,
        truncation: float = 1.0,
    ) -> None:
        super().__init__()
        sides = widths(image_size, base_channels, max_channels)
        self.count, self.style_mixing, self.truncation = 2 * len(sides), style_mixing, truncation
        self.mapping = Mapping(latent_dim, style_dim, mapping_layers)
        synthesis = {"modulation": ModulatedSynthesis, "adain": AdaINSynthesis}[style]
        self.synthesis = synthesis(channels, sides, style_dim)

    def forward(self, noise: Tensor) -> Tensor:
        """Images (N, channels, image_size, image_size) of noise (N, latent_dim)."""
        return self.synthesis(self.styles(noise))

    def styles(self, noise: Tensor) -> Tensor:
        """A style for each layer (N, layers, style_dim) of noise (N, latent_dim), mixed in training."""
        if not self.training:
            return self.repeat(self.mapping.truncate(self.mapping(noise), self.truncation))
        if not self.style_mixing:
            return self.repeat(self.mapping(noise))
        w, other = self.mapping(torch.cat([noise, torch.randn_like(noise)])).chunk(2)
        crossover = torch.randint(1, self.count, (len(noise), 1), device=noise.device)
        whole = torch.rand(len(noise), 1, device=noise.device) >= self.style_mixing
        return self.mix(w, other, crossover.masked_fill(whole, self.count))

    def repeat(self, w: Tensor) -> Tensor:
        """The same style for all layers: (N, layers, style_dim) of w (N, style_dim)."""
        return w.unsqueeze(1).expand(-1, self.count, -1)

    def mix(self, coarse: Tensor, fine: Tensor, crossover: Tensor) -> Tensor:
        """Styles (N, layers, D): of ``coarse`` (N, D) in layers below ``crossover`` (N, 1), of ``fine`` from there."""
        below = torch.arange(self.count, device=coarse.device) < crossover
        return torch.where(below.unsqueeze(2), coarse.unsqueeze(1), fine.unsqueeze(1))


class Discriminator(nn.Module):
    """Images (N, channels, image_size, image_size) to logits (N,); positive means real.

    Args:
        channels: of the images.
        image_size: their side.
        base_channels: at the images' side; doubled at each halving.
        max_channels: at most so many.
        residual: whether each block adds its input, as in StyleGAN2; without as in the first, and for CIFAR-10.
    """

    def __init__(
        self, channels: int, image_size: int, base_channels: int, max_channels: int, residual: bool = True
    ) -> None:
        super().__init__()
        sides = widths(image_size, base_channels, max_channels)
        self.from_image = EqualisedConv(channels, sides[image_size], 1)
        around = list(sides.values())[::-1]
        pairs = pairwise(around)
        self.blocks = nn.Sequential(*(DownBlock(a, b, residual) for a, b in pairs))
        width = sides[4]
        self.head = nn.Sequential(
            MinibatchStd(),
            EqualisedConv(width + 1, width),
            nn.Flatten(),
            EqualisedLinear(16 * width, width, "leaky_relu"),
            EqualisedLinear(width, 1),
            nn.Flatten(0),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N,)."""
        return self.head(self.blocks(self.from_image(images)))


class DownBlock(nn.Module):
    """Two convolutions, the second of which halves the side; with ``residual``, plus the input, halved."""

    def __init__(self, inputs: int, outputs: int, residual: bool) -> None:
        super().__init__()
        self.first = EqualisedConv(inputs, inputs)
        self.second = EqualisedConv(inputs, outputs, resample="down")
        self.skip = EqualisedConv(inputs, outputs, 1, "linear", bias=False, resample="down") if residual else None

    def forward(self, maps: Tensor) -> Tensor:
        """(N, outputs, H / 2, W / 2) of (N, inputs, H, W); of the variance of one branch."""
        deep = self.second(self.first(maps))
        return deep if self.skip is None else (deep + self.skip(maps)) * math.sqrt(0.5)
