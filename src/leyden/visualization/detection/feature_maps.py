"""Feature maps as colour over the image: how strongly each cell is activated."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from leyden.visualization.labelled import draw_sheet
from leyden.visualization.saliency import overlay

TITLE = "Activation of each cell of a feature map: from the weakest of its map, blue, over yellow to the strongest, red"
SIDE = 256
"""Pixels that an image's longer side is fitted to."""


def strength(maps: Tensor) -> Tensor:
    """Activation of each cell of a map, as the greatest magnitude of its channels.

    The mean of the channels, which is more usual, shows above all where the image ends, which activates many of them.

    Args:
        maps: (B, C, f, f) activations.

    Returns:
        (B, f, f) float32, stretched image by image so that the weakest cell has 0 and the strongest 1; all 0 where the
        cells do not differ.
    """
    most = maps.detach().float().abs().amax(1)
    low, high = most.amin((1, 2), keepdim=True), most.amax((1, 2), keepdim=True)
    return (most - low) / (high - low).clamp(min=torch.finfo(most.dtype).tiny)


def draw_feature_maps(images: Tensor, maps: Sequence[Tensor], strides: Sequence[int]) -> Tensor:
    """A row per image: itself, then for each map the grey image under the strength of its cells, from cold to hot.

    Args:
        images: uint8 (B, 1 or 3, H, W).
        maps: (B, C, f, f) each.
        strides: image pixels per cell of each map.

    Returns:
        uint8 (3, H', W').
    """
    tiles, captions = [], []
    heats = [F.interpolate(strength(x)[:, None].cpu(), images.shape[2:], mode="nearest")[:, 0] for x in maps]
    titles = [
        f"stride {s}: {len(x[0])} channels, {x.shape[2]} x {x.shape[3]}" for x, s in zip(maps, strides, strict=True)
    ]
    for i, image in enumerate(images):
        tiles += [image, *(overlay(image, heat[i]) for heat in heats)]
        captions += ["image", *titles]
    return draw_sheet(tiles, captions, "no images", 1 + len(maps), SIDE, TITLE)
