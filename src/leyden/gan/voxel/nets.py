"""Networks of volumes: an encoder of silhouettes, a generator of volumes, a discriminator of volumes.

Volumes have 4 2^k voxels along a side, or 6 2^k: 16, 24, 32, 64. Transposed convolutions double the side stage by stage
from 4 or 6, kernels are 4^3 of stride 2, as in 3D-GAN (Wu et al. 2016, section 3.1).
"""

from itertools import pairwise

import torch
from torch import nn


def stage_widths(size: int, base_channels: int) -> list[int]:
    """Channels of volumes at sides size / 2, size / 4, ... down to 4 or 6: doubling from ``base_channels``.

    Raises:
        ValueError: the size is neither 4 nor 6 times a power of two from 2.
    """
    stages = 0
    while size % 2 == 0 and size > 6:
        size, stages = size // 2, stages + 1
    if size not in (4, 6) or stages == 0:
        raise ValueError("volumes have 8, 12, 16, 24, 32, 48 or 64 voxels along a side: set data.source.size to one")
    return [base_channels << stage for stage in range(stages)]


class VolumeGenerator(nn.Sequential):
    """Codes (N, code_dim) to logits (N, 1, size, size, size) of being occupied.

    Args:
        size: voxels along a side.
        base_channels: channels of the stage nearest to the volume; doubled at each halving of the side.
        code_dim: length of a code.
        occupied: share of the voxels that are occupied at the start: the last bias is its logit.
    """

    def __init__(self, size: int, base_channels: int, code_dim: int, occupied: float = 0.05) -> None:
        widths = stage_widths(size, base_channels)[::-1]
        side = size >> len(widths)
        layers: list[nn.Module] = [nn.Linear(code_dim, widths[0] * side**3, bias=False)]
        layers += [nn.Unflatten(1, (widths[0], side, side, side)), nn.BatchNorm3d(widths[0]), nn.ReLU(True)]
        for before, after in pairwise(widths):
            layers += [nn.ConvTranspose3d(before, after, 4, stride=2, padding=1, bias=False)]
            layers += [nn.BatchNorm3d(after), nn.ReLU(True)]
        last = nn.ConvTranspose3d(widths[-1], 1, 4, stride=2, padding=1)
        assert last.bias is not None
        # Few voxels are occupied: from one half on, the first steps would only learn that.
        nn.init.constant_(last.bias, torch.logit(torch.tensor(occupied)).item())
        super().__init__(*layers, last)


class SilhouetteEncoder(nn.Sequential):
    """Images (N, V, S, S) of V views to codes (N, code_dim), S a multiple of 8: three convolutions of stride 2."""

    def __init__(self, views: int, image_size: int, base_channels: int, code_dim: int) -> None:
        widths = [base_channels, 2 * base_channels, 4 * base_channels]
        layers: list[nn.Module] = [nn.Conv2d(views, widths[0], 4, stride=2, padding=1), nn.ReLU(True)]
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(after), nn.ReLU(True)]
        layers += [nn.Flatten(), nn.Linear(widths[-1] * (image_size // 8) ** 2, code_dim), nn.ReLU(True)]
        super().__init__(*layers)


class SilhouettesToVolume(nn.Sequential):
    """Images (N, V, S, S) to logits (N, 1, D, D, D): an encoder and a generator."""

    def __init__(self, views: int, image_size: int, volume_size: int, base_channels: int, code_dim: int) -> None:
        encoder = SilhouetteEncoder(views, image_size, base_channels, code_dim)
        super().__init__(encoder, VolumeGenerator(volume_size, base_channels, code_dim))


class VolumeDiscriminator(nn.Sequential):
    """Volumes (N, 1, size, size, size) in [0, 1] to logits (N,); positive means real. No normalisation."""

    def __init__(self, size: int, base_channels: int) -> None:
        widths = stage_widths(size, base_channels)
        layers: list[nn.Module] = []
        for before, after in pairwise([1, *widths]):
            layers += [nn.Conv3d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2, True)]
        super().__init__(*layers, nn.Flatten(), nn.Linear(widths[-1] * (size >> len(widths)) ** 3, 1), nn.Flatten(0))
