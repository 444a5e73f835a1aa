"""The network of the context encoder: an encoder, a layer that is fully connected channel by channel, a decoder."""

from itertools import pairwise

import torch
from torch import Tensor, nn

BOTTLENECK = 4
"""Side of the innermost maps in pixels."""


class ChannelwiseLinear(nn.Module):
    """Connects all places of each map with all others, and no map with another (Pathak et al. 2016, section 3.1).

    m maps of n x n pixels have m n^4 weights, where a fully connected layer would have m^2 n^4.

    Args:
        channels: m.
        side: n.
    """

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        places = side**2
        self.weight = nn.Parameter(torch.randn(channels, places, places) / side)
        self.bias = nn.Parameter(torch.zeros(channels, places))

    def forward(self, maps: Tensor) -> Tensor:
        """(N, channels, side, side) to the same shape."""
        flat = torch.einsum("ncp,cqp->ncq", maps.flatten(2), self.weight.to(maps.dtype)) + self.bias
        return flat.view_as(maps)


class ContextGenerator(nn.Module):
    """Images with holes and the holes (N, channels + 1, S, S) to whole images (N, channels, S, S) in -1..1.

    Convolutions of 4x4 and stride 2 halve the side to 4 pixels, the channel-wise layer and a 1x1 convolution, which
    brings the maps together, follow, and as many transposed convolutions double it again; batch normalisation.

    Args:
        channels: of the images.
        image_size: S, a power of two from 16.
        base_channels: of the first convolution, doubled at each further one up to 8 times.
        skips: whether the decoder also takes the encoder's map of each side, as a U-Net does.

    Raises:
        ValueError: S is no power of two from 16.
    """

    def __init__(self, channels: int, image_size: int, base_channels: int = 64, skips: bool = False) -> None:
        super().__init__()
        if image_size < 4 * BOTTLENECK or image_size & (image_size - 1):
            raise ValueError(f"data.image_size={image_size}: a context encoder takes 16, 32, 64, 128 and so on")
        self.skips = skips
        stages = (image_size // BOTTLENECK).bit_length() - 1
        widths = [base_channels * min(2**stage, 8) for stage in range(stages)]
        first = nn.Sequential(nn.Conv2d(channels + 1, widths[0], 4, 2, 1), nn.LeakyReLU(0.2))
        rest = [
            nn.Sequential(nn.Conv2d(before, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.LeakyReLU(0.2))
            for before, width in pairwise(widths)
        ]
        self.encoder = nn.ModuleList([first, *rest])
        self.middle = nn.Sequential(
            ChannelwiseLinear(widths[-1], BOTTLENECK), nn.ReLU(),
            nn.Conv2d(widths[-1], widths[-1], 1, bias=False), nn.BatchNorm2d(widths[-1]), nn.ReLU(),
        )  # fmt: skip
        self.decoder = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose2d((2 if skips else 1) * before, width, 4, 2, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            )
            for before, width in pairwise(reversed(widths))
        )
        self.last = nn.Sequential(nn.ConvTranspose2d((2 if skips else 1) * widths[0], channels, 4, 2, 1), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels + 1, S, S) to (N, channels, S, S)."""
        maps = []
        for stage in self.encoder:
            x = stage(x)
            maps.append(x)
        x = self.middle(x)
        for stage in [*self.decoder, self.last]:
            known = maps.pop()
            x = stage(torch.cat([known, x], 1) if self.skips else x)
        return x
