"""The two networks of SRGAN, and how an image of any size goes through the first."""

import math

import torch
from torch import Tensor, nn

from leyden.gan.noise_to_image.dcgan import Norm, normalise
from leyden.gan.pixels import to_uint8

SCALES = (2, 4, 8)
TILE = 512
"""Large images are enlarged in squares that have this side afterwards, so that memory does not grow with them."""


class Residual(nn.Sequential):
    """x + its layers' output: two convolutions of ``width`` channels."""

    def __init__(self, width: int, norm: Norm) -> None:
        first, second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        super().__init__(first, *normalise(width, norm), nn.PReLU(), second, *normalise(width, norm))

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) to the same shape."""
        return x + super().forward(x)


class Generator(nn.Module):
    """SRResNet: images (N, C, H, W) in 0..1 to (N, C, scale H, scale W) in -1..1, not clipped.

    Its weights start at a linear interpolation: the first C channels hand the image through the skip (a convolution
    that copies), every doubling interpolates them (bilinearly, one filter for each of the four new pixels), the last
    convolution takes nothing but them; what the blocks add is multiplied by 0 at first (Goyal et al. 2017, section
    5.1). All other weights are torch's.

    Args:
        channels: C.
        scale: 2, 4 or 8.
        base_channels: of all inner maps, C or more.
        blocks: B.
        norm: "batch" as in the paper, "layer" or "none".

    Raises:
        ValueError: another scale, or fewer channels than the image has.
    """

    def __init__(
        self, channels: int, scale: int, base_channels: int = 64, blocks: int = 16, norm: Norm = "batch"
    ) -> None:
        super().__init__()
        if scale not in SCALES:
            raise ValueError(f"model.scale={scale}: super-resolution by {', '.join(map(str, SCALES))}")
        if base_channels < channels:
            raise ValueError(f"model.base_channels={base_channels} cannot hand {channels} channels through")
        width = base_channels
        self.scale = scale
        self.blocks = blocks
        self.first = nn.Sequential(nn.Conv2d(channels, width, 9, padding=4), nn.PReLU())
        last: list[nn.Module] = [nn.Conv2d(width, width, 3, padding=1), *normalise(width, norm)]
        self.body = nn.Sequential(*(Residual(width, norm) for _ in range(blocks)), *last)
        self.doublings = nn.Sequential()
        for _ in range(int(math.log2(scale))):
            self.doublings.append(
                nn.Sequential(nn.Conv2d(width, 4 * width, 3, padding=1), nn.PixelShuffle(2), nn.PReLU())
            )
        self.last = nn.Conv2d(width, channels, 9, padding=4)
        self._interpolate(channels)

    @property
    def reach(self) -> int:
        """Input pixels around one that its output depends on, to each side."""
        doublings = range(len(self.doublings))
        return math.ceil(4 + 2 * self.blocks + 1 + sum(0.5**stage for stage in doublings) + 4 / self.scale)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) in 0..1 to (N, C, scale H, scale W) in -1..1, not clipped."""
        x = self.first(images)
        return self.last(self.doublings(x + self.body(x)))

    @torch.no_grad()
    def _interpolate(self, channels: int) -> None:
        copies, own = torch.eye(channels), slice(channels)
        first = self.first[0]
        assert isinstance(first, nn.Conv2d)
        first.weight[own], first.bias[own] = 0, 0  # type: ignore[index]
        first.weight[own, :, 4, 4] = copies
        nn.init.zeros_(self.body[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.body[-1].bias)  # type: ignore[arg-type]
        # A new pixel lies a quarter of a pixel left (above) or right (below) of an old one.
        near = torch.tensor([[0.25, 0.75, 0.0], [0.0, 0.75, 0.25]])
        filters = torch.einsum("ay,bx->abyx", near, near).flatten(0, 1)  # (4, 3, 3), in the order of PixelShuffle
        for doubling in self.doublings:
            convolution = doubling[0]  # type: ignore[index]
            convolution.weight[: 4 * channels], convolution.bias[: 4 * channels] = 0, 0
            for channel in range(channels):
                convolution.weight[4 * channel : 4 * channel + 4, channel] = filters
        nn.init.zeros_(self.last.weight)
        nn.init.constant_(self.last.bias, -1)  # type: ignore[arg-type]
        self.last.weight[:, own, 4, 4] = 2 * copies  # 0..1 to -1..1


class Discriminator(nn.Sequential):
    """Images (N, channels, S, S) in -1..1 to logits (N,); positive means a true image.

    Args:
        channels: of the images.
        image_size: S in pixels.
        base_channels: of the first convolution; the last has 8 times as many, the hidden layer 16 times.
        norm: "batch" as in the paper, "layer" or "none".
        pool: take the mean over all places before the hidden layer, which then has few weights and fits any S; the
            paper's takes every place by itself.
    """

    def __init__(
        self, channels: int, image_size: int, base_channels: int = 64, norm: Norm = "batch", pool: bool = False
    ) -> None:
        layers: list[nn.Module] = []
        before, side = channels, image_size
        for stage in range(8):
            width = base_channels << stage // 2
            layers += [nn.Conv2d(before, width, 3, stride=1 + stage % 2, padding=1)]
            layers += [*(normalise(width, norm) if stage else []), nn.LeakyReLU(0.2, True)]
            before, side = width, -(-side // (1 + stage % 2))
        places = 1 if pool else side**2
        layers += [nn.AdaptiveAvgPool2d(1)] if pool else []
        layers += [nn.Flatten(), nn.Linear(before * places, 16 * base_channels), nn.LeakyReLU(0.2, True)]
        layers += [nn.Linear(16 * base_channels, 1), nn.Flatten(0)]
        super().__init__(*layers)


def upscale_tiled(network: nn.Module, images: Tensor, scale: int, reach: int, tile: int = TILE) -> Tensor:
    """Enlarges images in overlapping squares, which join without a seam: every pixel sees all that it depends on.

    Args:
        network: images (N, C, H, W) in 0..1 to (N, C, scale H, scale W) in -1..1.
        images: uint8 (N, C, H, W), of any size.
        scale: of the network.
        reach: pixels around one that the network's output depends on; so many of its neighbours a square takes along.
        tile: side of the squares in pixels of the result.

    Returns:
        uint8 (N, C, scale H, scale W).
    """
    step = max(1, tile // scale)
    height, width = images.shape[-2:]
    result = images.new_empty(*images.shape[:2], height * scale, width * scale)
    network.eval()
    for top in range(0, height, step):
        for left in range(0, width, step):
            above, before = min(top, reach), min(left, reach)
            part = images[..., top - above : top + step + reach, left - before : left + step + reach]
            large = to_uint8(network(part.float() / 255))[..., above * scale :, before * scale :]
            place = result[..., top * scale : (top + step) * scale, left * scale : (left + step) * scale]
            place.copy_(large[..., : place.shape[-2], : place.shape[-1]])
    return result
