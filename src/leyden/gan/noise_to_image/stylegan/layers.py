"""The layers of StyleGAN: equalised learning rates, modulated convolutions, adaptive instance normalisation, noise."""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.gan.noise_to_image.stylegan.resampling import down_convolution, downsample, fir_kernel, up_convolution

Activation = Literal["linear", "leaky_relu"]
Resample = Literal["up", "down"]


def activate(values: Tensor, activation: Activation) -> Tensor:
    """LeakyReLU(0.2) times sqrt(2), which keeps the variance of what comes in, or the values themselves."""
    return F.leaky_relu(values, 0.2) * math.sqrt(2) if activation == "leaky_relu" else values


def normalise_second_moment(vectors: Tensor) -> Tensor:
    """Vectors (N, D) divided by the root of the mean of their squares, so of length sqrt(D)."""
    return vectors * (vectors.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class EqualisedLinear(nn.Module):
    """A linear layer whose weights are scaled when they are used (Karras et al. 2018, section 4.1).

    The parameter is N(0, 1) / lr_multiplier, the weight is the parameter times lr_multiplier / sqrt(fan_in). Adam moves
    each parameter by about the learning rate, whatever its scale, so all layers learn equally fast, and one with
    ``lr_multiplier`` that much slower.

    Args:
        inputs: their number.
        outputs: their number.
        activation: of the result.
        bias: at the start.
        lr_multiplier: of the learning rate.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        activation: Activation = "linear",
        bias: float = 0.0,
        lr_multiplier: float = 1.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((outputs,), bias / lr_multiplier))
        self.gain, self.lr_multiplier, self.activation = lr_multiplier / math.sqrt(inputs), lr_multiplier, activation

    def forward(self, vectors: Tensor) -> Tensor:
        """(N, outputs) of (N, inputs)."""
        return activate(F.linear(vectors, self.weight * self.gain, self.bias * self.lr_multiplier), self.activation)


class EqualisedConv(nn.Module):
    """A convolution with an equalised learning rate that keeps, doubles or halves the side.

    Args:
        inputs: channels.
        outputs: channels.
        size: side of the weights, 1 or 3; where it is resampled up: 3.
        activation: of the result.
        bias: whether there is one.
        resample: "up", "down" or None.
    """

    kernel: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int = 3,
        activation: Activation = "leaky_relu",
        bias: bool = True,
        resample: Resample | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.gain, self.activation, self.resample = 1 / math.sqrt(inputs * size**2), activation, resample
        self.register_buffer("kernel", fir_kernel(), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(N, outputs, H', W') of (N, inputs, H, W)."""
        maps = convolve(images, self.weight * self.gain, self.kernel, self.resample)
        return activate(maps if self.bias is None else maps + self.bias.view(-1, 1, 1), self.activation)


def convolve(images: Tensor, weight: Tensor, kernel: Tensor, resample: Resample | None) -> Tensor:
    """Convolves (N, C, H, W) with weights (D, C, S, S), resampled by the filter ``kernel`` (K, K) on the way."""
    if resample == "up":
        return up_convolution(images, weight, kernel)
    size = weight.shape[2]
    if resample == "down":
        return F.conv2d(downsample(images, kernel), weight) if size == 1 else down_convolution(images, weight, kernel)
    return F.conv2d(images, weight, padding=size // 2)


def modulated_convolution(
    images: Tensor,
    weight: Tensor,
    styles: Tensor,
    kernel: Tensor,
    demodulate: bool = True,
    resample: Resample | None = None,
) -> Tensor:
    """Convolution whose weights each image scales by its own style (Karras et al. 2020, eqs. 1 and 3).

    w'_ijk = s_i w_ijk and w''_ijk = w'_ijk / sqrt(sum_ik w'_ijk^2 + 1e-8), i the input channel, j the output channel, k
    the place. Scaling an input channel's weights is scaling the channel, and so it is with an output channel: images
    and results are scaled, and one convolution with the shared weights serves the whole batch.

    Args:
        images: (N, C, H, W).
        weight: (D, C, S, S).
        styles: (N, C).
        kernel: filter (K, K) of the resampling.
        demodulate: whether output channels get back unit variance, the images' channels being independent of unit
            variance.
        resample: "up", "down" or None.

    Returns:
        (N, D, H', W').
    """
    maps = convolve(images * styles[:, :, None, None], weight, kernel, resample)
    if not demodulate:
        return maps
    sums = styles.square() @ weight.square().sum((2, 3)).T
    return maps * (sums + 1e-8).rsqrt()[:, :, None, None]


def adaptive_instance_norm(maps: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """scale (x - mean(x)) / std(x) + shift, mean and std over each channel of each image (Karras et al. 2019, eq. 1).

    Args:
        maps: (N, C, H, W).
        scale: (N, C).
        shift: (N, C).

    Returns:
        (N, C, H, W) whose channels have mean ``shift`` and standard deviation ``|scale|``.
    """
    return F.instance_norm(maps, eps=1e-8) * scale[:, :, None, None] + shift[:, :, None, None]


class Noise(nn.Module):
    """Adds Gaussian noise, one value per pixel, times a learnt strength that starts at 0.

    In training each pass draws its own; in evaluation it is always the same, so that a style has one image.

    Args:
        side: of the maps, pixels.
        strengths: 1 for all channels together (2020), or their number, a strength for each (2019).
    """

    fixed: Tensor

    def __init__(self, side: int, strengths: int = 1) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(strengths))
        self.register_buffer("fixed", torch.randn(1, 1, side, side))

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, side, side) of the same."""
        noise = self.fixed
        if self.training:
            noise = torch.randn(len(maps), 1, *maps.shape[2:], device=maps.device)
        return maps + noise * self.strength.view(-1, 1, 1)


class ModulatedLayer(nn.Module):
    """A layer of StyleGAN2: modulated and demodulated 3x3 convolution, noise, bias, LeakyReLU.

    Args:
        inputs: channels.
        outputs: channels.
        style_dim: length of w.
        side: of the result, pixels.
        up: whether the side is doubled.
    """

    kernel: Tensor

    def __init__(self, inputs: int, outputs: int, style_dim: int, side: int, up: bool = False) -> None:
        super().__init__()
        self.style = EqualisedLinear(style_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.noise = Noise(side)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.resample: Resample | None = "up" if up else None
        self.gain = 1 / math.sqrt(9 * inputs)
        self.register_buffer("kernel", fir_kernel(), persistent=False)

    def forward(self, maps: Tensor, w: Tensor) -> Tensor:
        """(N, outputs, side, side) of maps (N, inputs, H, W) and styles w (N, style_dim)."""
        weight = self.weight * self.gain
        maps = modulated_convolution(maps, weight, self.style(w), self.kernel, resample=self.resample)
        return activate(self.noise(maps) + self.bias.view(-1, 1, 1), "leaky_relu")


class ToImage(nn.Module):
    """Maps to colours by a modulated 1x1 convolution without demodulation.

    Args:
        inputs: channels of the maps.
        channels: of the image.
        style_dim: length of w.
    """

    kernel: Tensor

    def __init__(self, inputs: int, channels: int, style_dim: int) -> None:
        super().__init__()
        self.style = EqualisedLinear(style_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(channels, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.gain = 1 / math.sqrt(inputs)
        self.register_buffer("kernel", fir_kernel(), persistent=False)

    def forward(self, maps: Tensor, w: Tensor) -> Tensor:
        """(N, channels, H, W) of maps (N, inputs, H, W) and styles w (N, style_dim)."""
        weight = self.weight * self.gain
        return modulated_convolution(maps, weight, self.style(w), self.kernel, False) + self.bias.view(-1, 1, 1)


class AdaINLayer(nn.Module):
    """A layer of the first StyleGAN: convolution, noise, bias, LeakyReLU, then adaptive instance normalisation.

    Args:
        inputs: channels; 0 leaves the convolution out, as behind the learnt constant.
        outputs: channels.
        style_dim: length of w.
        side: of the result, pixels.
        up: whether the side is doubled.
    """

    def __init__(self, inputs: int, outputs: int, style_dim: int, side: int, up: bool = False) -> None:
        super().__init__()
        self.conv: nn.Module = nn.Identity()
        if inputs:
            self.conv = EqualisedConv(inputs, outputs, activation="linear", bias=False, resample="up" if up else None)
        self.noise = Noise(side, outputs)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.style = EqualisedLinear(style_dim, 2 * outputs)

    def forward(self, maps: Tensor, w: Tensor) -> Tensor:
        """(N, outputs, side, side) of maps (N, inputs, H, W) and styles w (N, style_dim)."""
        maps = activate(self.noise(self.conv(maps)) + self.bias.view(-1, 1, 1), "leaky_relu")
        scale, shift = self.style(w).chunk(2, dim=1)
        return adaptive_instance_norm(maps, 1 + scale, shift)


class MinibatchStd(nn.Module):
    """Appends a channel: the standard deviation over a group of images, averaged over channels and pixels.

    So D sees whether the images of a batch differ (Karras et al. 2018, section 3).

    Args:
        group: images in a group; a batch that it does not divide has groups of its greatest divisor below.
    """

    def __init__(self, group: int = 4) -> None:
        super().__init__()
        self.group = group

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C + 1, H, W) of (N, C, H, W); images i, i + N / group, i + 2 N / group, ... are a group."""
        count = len(maps)
        group = next(size for size in range(min(self.group, count), 0, -1) if count % size == 0)
        deviations = maps.view(group, count // group, *maps.shape[1:]).var(0, correction=0).add(1e-8).sqrt()
        column = deviations.mean((1, 2, 3)).repeat(group)
        return torch.cat([maps, column.view(-1, 1, 1, 1).expand(-1, 1, *maps.shape[2:])], dim=1)
