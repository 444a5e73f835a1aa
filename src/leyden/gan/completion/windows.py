"""Holes of images of any size, filled by a network that takes one size: hole by hole, each in a window around it."""

from collections.abc import Callable

import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2.functional import rgb_to_grayscale

Complete = Callable[[Tensor, Tensor], Tensor]
"""uint8 images (N, C, S, S) and their holes, bool (N, 1, S, S), to completed images of the first's shape."""


def fill_any(complete: Complete, image: Tensor, mask: Tensor, channels: int, side: int, hole_size: float) -> Tensor:
    """Fills holes of an image of any size and either number of channels; all other pixels stay as they are.

    A network of grey images fills each channel by itself; a grey image is shown three times to a network of colour
    images, whose result becomes grey again.

    Args:
        complete: the network.
        image: uint8 (1 or 3, H, W).
        mask: bool (H, W), true in the holes.
        channels: that the network takes.
        side: S, that the network takes.
        hole_size: see ``fill_holes``.

    Returns:
        uint8 of the image's shape.
    """
    shown = image[:, None] if channels == 1 else image.expand(3, -1, -1)[None]
    filled = torch.cat([fill_holes(complete, part, mask, side, hole_size) for part in shown.split(1)])
    if channels == 1:
        return filled[:, 0]
    return filled[0] if len(image) == 3 else torch.where(mask, rgb_to_grayscale(filled[0]), image)


def fill_holes(complete: Complete, images: Tensor, mask: Tensor, side: int, hole_size: float) -> Tensor:
    """Fills connected holes one after another, the narrowest first.

    Each hole is seen in a square window of ``side`` pixels, or of the whole image where that is smaller, or of so many
    that the hole is not wider than ``hole_size`` of it; the window is resized to ``side`` and what was made is resized
    back. What a window lacks beyond the image's edge is the edge, continued.

    Args:
        complete: the network.
        images: uint8 (1, C, H, W).
        mask: bool (H, W), true in the holes.
        side: of what the network takes, in pixels.
        hole_size: greatest height and width of a hole in training, fraction of the side.

    Returns:
        uint8 (1, C, H, W), equal to ``images`` outside of ``mask``.
    """
    numbers, _ = ndimage.label(mask.cpu().numpy(), structure=[[1, 1, 1]] * 3)
    parts = torch.from_numpy(numbers).to(mask.device)
    boxes = [
        (max(rows.stop - rows.start, columns.stop - columns.start), rows, columns, number)
        for number, (rows, columns) in enumerate(ndimage.find_objects(numbers), start=1)
    ]
    filled, open_ = images.clone(), mask.clone()
    longer = max(mask.shape)
    for extent, rows, columns, number in sorted(boxes, key=lambda box: (box[0], box[3])):
        width = min(longer, max(round(extent / hole_size), min(side, longer)))
        top, left = (
            max(0, min((part.start + part.stop - width) // 2, size - width))
            for part, size in zip((rows, columns), mask.shape, strict=True)
        )
        window = (..., slice(top, top + width), slice(left, left + width))
        made = _fill(complete, filled[window], open_[window], width, side)
        here = parts[window] == number
        filled[window] = torch.where(here, made, filled[window])
        open_ &= parts != number
    return filled


def _fill(complete: Complete, images: Tensor, mask: Tensor, width: int, side: int) -> Tensor:
    """A window (1, C, h, w) with its holes filled; h or w is less than ``width`` where the image ends before."""
    height, across = mask.shape
    beyond = (0, width - across, 0, width - height)
    whole = F.pad(images.float(), beyond, mode="replicate").to(torch.uint8)
    hole = F.pad(mask[None, None], beyond)
    if width == side:
        return complete(whole, hole)[..., :height, :across]
    small = _resized(whole.float(), side).round().to(torch.uint8)
    # A pixel of the small window is open where it has seen anything of the hole.
    made = complete(small, _resized(hole.float(), side) > 0)
    return _resized(made.float(), width).round().to(torch.uint8)[..., :height, :across]


def _resized(images: Tensor, side: int) -> Tensor:
    """Bilinear with antialias, in floats: on uint8 torch refuses a side of one pixel."""
    return F.interpolate(images, size=(side, side), mode="bilinear", antialias=True)
