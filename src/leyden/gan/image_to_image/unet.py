"""The U-Net generator of pix2pix (Isola, Zhu, Zhou and Efros 2017, "Image-to-Image Translation with Conditional
Adversarial Networks", section 6.1.1): an encoder and a decoder of the same sides, each map handed across.
"""

from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import Tensor, nn

UNetNorm = Literal["batch", "instance", "none"]
"""Between a convolution and its activation."""

MOST_DOWNS = 8
"""Halvings of the side in the paper, from 256 pixels to one."""


def possible_downs(image_size: int) -> int:
    """How many times a side in pixels can be halved to whole pixels, at most as often as in the paper."""
    return min(MOST_DOWNS, (image_size & -image_size).bit_length() - 1)


def checked_downs(image_size: int, downs: int | None, layers: int) -> int:
    """How many times a U-Net halves the side of its images.

    Args:
        image_size: that side in pixels.
        downs: as the user wants it; None is as often as possible, up to 8 times.
        layers: of D, whose map must have a pixel, too.

    Raises:
        ValueError: the side cannot be halved so often, or is too small for D.
    """
    possible = possible_downs(image_size)
    wanted = possible if downs is None else downs
    if not 2 <= wanted <= possible:
        raise ValueError(
            f"data.image_size={image_size} can be halved {possible} times to whole pixels, model.downs={downs} needs "
            f"{max(2, wanted)}: set data.image_size to a multiple of {2 ** max(2, wanted)}, such as 32 or 256"
        )
    if image_size < (least := 2 ** (layers + 2)):
        raise ValueError(
            f"data.image_size={image_size} is too small for model.discriminator_layers={layers}, which need {least}: "
            "set fewer, or a larger data.image_size"
        )
    return wanted


class UNet(nn.Module):
    """Images (N, in_channels, H, W) in -1..1 to images (N, out_channels, H, W) in -1..1.

    The encoder's convolutions, 4x4 of stride 2, halve the side ``downs`` times; the decoder's double it again, and each
    of them but the innermost takes the encoder's map of its side besides. Neither the first convolution nor the
    innermost is normalised. With ``downs`` 8 and 7 these are the authors' networks for 256 and 128 pixels, of
    54,413,955 and 41,828,995 parameters in RGB. Input whose sides are multiples of 2^downs comes out in its own size.

    Args:
        in_channels: of what is put in.
        out_channels: of what comes out.
        base_channels: of the first convolution, doubled at each further one up to 8 times.
        downs: halvings of the side, from 2; 5 or fewer for 32 pixels.
        norm: "batch" as in the paper, "instance" or "none".
        dropout: probability in the (at most three) stages of the decoder that follow the innermost and have the full
            width; 0.5 in the paper, which leaves it on when it translates.
        running_statistics: whether batch normalisation takes running means in evaluation; pix2pix takes the statistics
            of the batch at hand there, too.

    Raises:
        ValueError: there is no such normalisation, or ``downs`` is below 2.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        base_channels: int = 64,
        downs: int = 8,
        norm: UNetNorm = "batch",
        dropout: float = 0.0,
        running_statistics: bool = True,
    ) -> None:
        super().__init__()
        if norm not in get_args(UNetNorm):
            raise ValueError(f"a U-Net's norm must be one of {', '.join(get_args(UNetNorm))}, got {norm!r}")
        if downs < 2:
            raise ValueError(f"a U-Net halves the side twice or more, got downs={downs}")
        self.downs = downs
        widths = [base_channels * min(2**stage, 8) for stage in range(downs)]
        bias = norm != "batch"  # which takes the mean away

        def normalise(width: int) -> list[nn.Module]:
            layers: dict[str, list[nn.Module]] = {
                "batch": [nn.BatchNorm2d(width, track_running_stats=running_statistics)],
                "instance": [nn.InstanceNorm2d(width)],
                "none": [],
            }
            return layers[norm]

        down: list[nn.Module] = [nn.Conv2d(in_channels, widths[0], 4, 2, 1, bias=bias)]
        for stage, (before, width) in enumerate(pairwise(widths), start=1):
            layers = [nn.LeakyReLU(0.2), nn.Conv2d(before, width, 4, 2, 1, bias=bias)]
            down.append(nn.Sequential(*layers, *(normalise(width) if stage < downs - 1 else [])))
        up: list[nn.Module] = [
            nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(2 * widths[0], out_channels, 4, 2, 1), nn.Tanh())
        ]
        for stage, (width, below) in enumerate(pairwise(widths), start=1):
            inputs = below if stage == downs - 1 else 2 * below
            layers = [nn.ReLU(), nn.ConvTranspose2d(inputs, width, 4, 2, 1, bias=bias), *normalise(width)]
            if dropout and 4 <= stage < downs - 1:
                layers.append(nn.Dropout(dropout))
            up.append(nn.Sequential(*layers))
        self.down, self.up = nn.ModuleList(down), nn.ModuleList(up)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H, W); H and W are multiples of 2^downs."""
        skips = []
        for stage in self.down:
            x = stage(x)
            skips.append(x)
        x = self.up[-1](skips.pop())
        for stage in reversed(self.up[:-1]):
            x = stage(torch.cat([skips.pop(), x], 1))
        return x
