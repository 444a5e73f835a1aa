"""A small vision transformer in named stages (Dosovitskiy et al. 2021), whose positions are fixed sines and cosines.

Between stages a map (B, D, h, w) is passed, a vector for each patch, so that it can be cut, frozen and pooled like any
other backbone. There is no class token: the features are the mean over the patches, as ``Backbone`` pools any map.
"""

from functools import lru_cache

import torch
from torch import Tensor, nn

from leyden.nets.transformer import Block

HEAD = 32
"""Channels of an attention head."""


@lru_cache(maxsize=16)
def positions(height: int, width: int, channels: int, device: torch.device | str = "cpu") -> Tensor:
    """Sines and cosines of a patch's row and column (Vaswani et al. 2017, sec. 3.5, half of the channels for each).

    Returns:
        (height * width, channels) float32, row by row; frequencies fall from 1 to 1 / 10,000 per patch.

    Raises:
        ValueError: the channels are no multiple of 4.
    """
    if channels % 4:
        raise ValueError(f"positions need channels in multiples of 4, got {channels}")
    frequencies = 10_000 ** -(torch.arange(channels // 4, device=device) / (channels // 4))
    rows, columns = torch.meshgrid(*(torch.arange(n, device=device) for n in (height, width)), indexing="ij")
    angles = [place.flatten()[:, None] * frequencies for place in (rows, columns)]
    return torch.cat([part for angle in angles for part in (angle.sin(), angle.cos())], 1)


class Patches(nn.Module):
    """A linear map of each patch, and its position: images (B, C, S, S) to (B, D, S / patch, S / patch).

    Args:
        channels: of the images.
        width: D.
        patch: side of a patch in pixels.
    """

    def __init__(self, channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.project = nn.Conv2d(channels, width, patch, patch)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, S, S) to (B, D, S / patch, S / patch)."""
        x = self.project(images)
        where = positions(x.shape[2], x.shape[3], x.shape[1], x.device).to(x)
        return x + where.T.view(1, *x.shape[1:])


class PatchBlock(nn.Module):
    """A transformer's block on the patches of a map.

    Args:
        width: D.
        last: a layer norm behind it.
    """

    def __init__(self, width: int, last: bool) -> None:
        super().__init__()
        self.block = Block(width, max(1, width // HEAD), causal=False)
        self.norm: nn.Module = nn.LayerNorm(width) if last else nn.Identity()

    def tokens(self, x: Tensor) -> Tensor:
        """Any patches (B, T, D) to (B, T, D)."""
        return self.norm(self.block(x)[0])

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, h, w) to the same shape."""
        return self.tokens(x.flatten(2).transpose(1, 2)).transpose(1, 2).view(x.shape)


def vit(channels: int, width: int, patch: int, depth: int) -> dict[str, nn.Module]:
    """``stem`` (the patches), then ``block1`` to ``block<depth>``, the last with a layer norm behind it.

    Args:
        channels: of the images.
        width: D, a multiple of 4, of 32 from there on.
        patch: side of a patch in pixels.
        depth: blocks, 1 or more.
    """
    blocks = {f"block{i}": PatchBlock(width, last=i == depth) for i in range(1, depth + 1)}
    return {"stem": Patches(channels, width, patch), **blocks}
