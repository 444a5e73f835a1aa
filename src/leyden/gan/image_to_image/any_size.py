"""Images of any size through a network that takes sides of some multiple: padded by reflection, large ones in tiles."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

LARGEST_TILE = 1024
"""Pixels: longer sides are cut into tiles."""
OVERLAP = 128
"""Pixels that neighbouring tiles have in common, over which one fades into the other."""


def reflect_pad(images: Tensor, multiple: int, least: int = 1) -> tuple[Tensor, int, int]:
    """Images with sides that are multiples, the margin being their mirror image.

    Unlike ``torch.nn.functional.pad`` it takes margins that are wider than the image, which are mirrored again.

    Args:
        images: (N, C, H, W).
        multiple: of pixels that both sides of the result are.
        least: sides of the result at least, in pixels.

    Returns:
        (N, C, H', W'), and the row and the column at which the image begins in it.
    """
    places, starts = [], []
    for side in images.shape[-2:]:
        padded = multiple * math.ceil(max(side, least) / multiple)
        starts.append((padded - side) // 2)
        period = max(1, 2 * (side - 1))
        place = (torch.arange(padded, device=images.device) - starts[-1]) % period
        places.append(torch.minimum(place, period - place) if side > 1 else place)
    return images[..., places[0][:, None], places[1]], starts[0], starts[1]


def tile_starts(side: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin that cover a side, evenly spread; two neighbours share ``overlap`` pixels or more."""
    if side <= tile:
        return [0]
    count = math.ceil((side - overlap) / (tile - overlap))
    return [round(i * (side - tile) / (count - 1)) for i in range(count)]


def at_any_size(
    network: Callable[[Tensor], Tensor],
    images: Tensor,
    multiple: int,
    least: int = 1,
    tile: int = LARGEST_TILE,
    overlap: int = OVERLAP,
) -> Tensor:
    """What a network makes of images of any size, of their own size.

    Tiles are blended along ramps, so that no seam shows. A network that normalises over the image normalises each tile
    by itself.

    Args:
        network: from (N, C, H, W), H and W multiples, to (N, C', H, W).
        images: (N, C, H, W) float.
        multiple: of pixels that the network's sides must be.
        least: sides that it takes at least, in pixels.
        tile: longest side of a tile, in pixels.
        overlap: pixels that two neighbours share at least.

    Returns:
        (N, C', H, W) float32.
    """
    height, width = images.shape[-2:]
    if max(height, width) <= tile:
        padded, top, left = reflect_pad(images, multiple, least)
        return network(padded).float()[..., top : top + height, left : left + width]
    blended, weights = images.new_zeros(()), images.new_zeros(height, width)
    for top in tile_starts(height, tile, overlap):
        for left in tile_starts(width, tile, overlap):
            rows, columns = slice(top, min(top + tile, height)), slice(left, min(left + tile, width))
            made = at_any_size(network, images[..., rows, columns], multiple, least, tile)
            if blended.ndim == 0:
                blended = made.new_zeros(*made.shape[:2], height, width)
            weight = torch.outer(*(_ramps(side, overlap, images.device) for side in made.shape[-2:]))
            blended[..., rows, columns] += made * weight
            weights[rows, columns] += weight
    return blended / weights


def _ramps(side: int, overlap: int, device: torch.device) -> Tensor:
    """(side,) weights: 1 in the middle, falling towards both ends."""
    place = torch.arange(1, side + 1, device=device)
    return (torch.minimum(place, side + 1 - place) / (overlap + 1)).clamp(max=1)
