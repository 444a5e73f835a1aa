"""Networks of MUNIT (Huang et al. 2018, appendix B): two encoders, a decoder that is given a style, a discriminator."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from leyden.gan.noise_to_image.stylegan.layers import adaptive_instance_norm


def convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Conv2d:
    """A convolution with reflection padding that keeps the side, or divides it by ``stride``."""
    return nn.Conv2d(inputs, outputs, size, stride, (size - stride + 1) // 2, padding_mode="reflect")


class ContentEncoder(nn.Sequential):
    """Images (N, channels, H, W) to contents (N, 2^downs base_channels, H / 2^downs, W / 2^downs).

    Instance normalisation takes away the mean and the deviation of each channel, in which style lies.

    Args:
        channels: of the images.
        base_channels: of the first convolution, doubled with each halving of the side.
        downs: halvings.
        blocks: residual blocks behind them.
    """

    def __init__(self, channels: int, base_channels: int, downs: int, blocks: int) -> None:
        width = base_channels
        layers: list[nn.Module] = [convolution(channels, width, 7), nn.InstanceNorm2d(width), nn.ReLU(True)]
        for _ in range(downs):
            layers += [convolution(width, 2 * width, 4, 2), nn.InstanceNorm2d(2 * width), nn.ReLU(True)]
            width *= 2
        super().__init__(*layers, *(ContentBlock(width) for _ in range(blocks)))


class ContentBlock(nn.Sequential):
    """x + two 3x3 convolutions of ``width`` channels with instance normalisation."""

    def __init__(self, width: int) -> None:
        super().__init__(
            convolution(width, width, 3), nn.InstanceNorm2d(width), nn.ReLU(True),
            convolution(width, width, 3), nn.InstanceNorm2d(width),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) to the same shape."""
        return x + super().forward(x)


class StyleEncoder(nn.Sequential):
    """Images (N, channels, H, W) to styles (N, style_dim): no normalisation, then the mean over all places.

    Args:
        channels: of the images.
        base_channels: of the first convolution, doubled in the first two halvings of the side.
        downs: halvings.
        style_dim: length of a style.
    """

    def __init__(self, channels: int, base_channels: int, downs: int, style_dim: int) -> None:
        width = base_channels
        layers: list[nn.Module] = [convolution(channels, width, 7), nn.ReLU(True)]
        for level in range(downs):
            wider = 2 * width if level < 2 else width
            layers += [convolution(width, wider, 4, 2), nn.ReLU(True)]
            width = wider
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, style_dim))


class StyledBlock(nn.Module):
    """x + two 3x3 convolutions of ``width`` channels, each normalised to a mean and a deviation that are given."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = convolution(width, width, 3), convolution(width, width, 3)

    def forward(self, x: Tensor, parameters: Tensor) -> Tensor:
        """(N, width, H, W) of the same, and parameters (N, 4, width): shift and scale - 1 of either convolution."""
        shift_1, scale_1, shift_2, scale_2 = parameters.unbind(1)
        y = torch.relu(adaptive_instance_norm(self.first(x), 1 + scale_1, shift_1))
        return x + adaptive_instance_norm(self.second(y), 1 + scale_2, shift_2)


class Decoder(nn.Module):
    """Contents and styles to images in -1..1: residual blocks with the style, then doublings of the side.

    Args:
        channels: of the images.
        base_channels: of the last convolution but one.
        downs: halvings that the contents went through.
        blocks: residual blocks.
        style_dim: length of a style.
        style_width: hidden numbers of the network that turns styles into means and deviations.
    """

    def __init__(
        self, channels: int, base_channels: int, downs: int, blocks: int, style_dim: int, style_width: int
    ) -> None:
        super().__init__()
        width = base_channels * 2**downs
        self.shape = (blocks, 4, width)
        self.mlp = nn.Sequential(
            nn.Linear(style_dim, style_width), nn.ReLU(True),
            nn.Linear(style_width, style_width), nn.ReLU(True),
            nn.Linear(style_width, blocks * 4 * width),
        )  # fmt: skip
        self.blocks = nn.ModuleList(StyledBlock(width) for _ in range(blocks))
        layers: list[nn.Module] = []
        for _ in range(downs):
            # Over all channels at once, so that the differences between channels, the style, pass.
            layers += [nn.Upsample(scale_factor=2), convolution(width, width // 2, 5), nn.GroupNorm(1, width // 2)]
            layers += [nn.ReLU(True)]
            width //= 2
        self.up = nn.Sequential(*layers, convolution(width, channels, 7), nn.Tanh())

    def forward(self, contents: Tensor, styles: Tensor) -> Tensor:
        """Images (N, channels, H, W) of contents (N, C, H / 2^downs, W / 2^downs) and styles (N, style_dim)."""
        parameters, x = self.mlp(styles).unflatten(1, self.shape), contents
        for number, block in enumerate(self.blocks):
            x = block(x, parameters[:, number])
        return self.up(x)


class AutoEncoder(nn.Module):
    """A domain's two encoders and its decoder.

    Args:
        channels: of the images.
        base_channels: of all first convolutions.
        downs: halvings of the contents' side; styles have two more, as far as ``image_size`` goes.
        blocks: residual blocks of the content encoder, and of the decoder.
        style_dim: length of a style.
        style_width: see ``Decoder``.
        image_size: of the training images in pixels.
    """

    def __init__(
        self,
        channels: int,
        base_channels: int,
        downs: int,
        blocks: int,
        style_dim: int,
        style_width: int,
        image_size: int,
    ) -> None:
        super().__init__()
        self.content = ContentEncoder(channels, base_channels, downs, blocks)
        style_downs = max(1, min(downs + 2, (image_size // 2).bit_length() - 1))
        self.style = StyleEncoder(channels, base_channels, style_downs, style_dim)
        self.decode = Decoder(channels, base_channels, downs, blocks, style_dim, style_width)


class MultiScaleDiscriminator(nn.ModuleList):
    """Discriminators of patches of the image and of the same, each time halved (Wang et al. 2018), not normalised.

    Args:
        channels: of the images.
        base_channels: of the first convolutions, doubled with each halving of the side.
        layers: convolutions of stride 2 in each.
        scales: how many there are.
    """

    def __init__(self, channels: int, base_channels: int, layers: int, scales: int) -> None:
        super().__init__(_patches(channels, base_channels, layers) for _ in range(scales))

    def look(self, images: Tensor, scale: int, augment: Callable[[Tensor], Tensor] = lambda x: x) -> Tensor:
        """Float32 logits (N, 1, H', W') of images (N, channels, H, W), augmented and halved ``scale`` times."""
        images = augment(images)
        for _ in range(scale):
            images = nn.functional.avg_pool2d(images, 3, 2, 1, count_include_pad=False)
        return self[scale](images).float()


def _patches(channels: int, base_channels: int, layers: int) -> nn.Sequential:
    parts: list[nn.Module] = []
    width = channels
    for level in range(layers):
        wider = base_channels * 2**level
        parts += [convolution(width, wider, 4, 2), nn.LeakyReLU(0.2, True)]
        width = wider
    return nn.Sequential(*parts, nn.Conv2d(width, 1, 1))
