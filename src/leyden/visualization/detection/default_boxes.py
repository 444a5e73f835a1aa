"""Where a detector looks: its default boxes, and which of them were matched to which object."""

from collections.abc import Sequence

import torch
from torch import Tensor

from leyden.visualization.detection.boxes import PAPER, Colour, Mark, draw_marks, draw_tiles

COLOURS: tuple[Colour, ...] = (
    (255, 60, 60),
    (255, 180, 0),
    (60, 230, 90),
    (60, 200, 255),
    (110, 110, 255),
    (255, 90, 220),
)
"""Of the feature maps, the finest first; they repeat after six."""


def draw_default_boxes(
    images: Tensor, targets: Sequence[dict[str, Tensor]], boxes: Tensor, match: Tensor, maps: Sequence[tuple[int, int]]
) -> Tensor:
    """First the shapes of one cell in the middle of each map, then images with the default boxes that objects got.

    Boxes have the colour of their feature map, objects are white.

    Args:
        images: (B, C, H, W) uint8.
        targets: of each image, "boxes" (m, 4) xyxy pixels.
        boxes: (P, 4) all default boxes, xyxy pixels, map by map, row by row, cell by cell.
        match: (B, P) int64 index of the object that a box is matched to, -1: background.
        maps: cells in a row, and boxes per cell, of each square map.

    Returns:
        uint8 (3, H', W').

    Raises:
        ValueError: the maps do not have P boxes together.
    """
    sizes = [cells * cells * per_cell for cells, per_cell in maps]
    if sum(sizes) != len(boxes):
        raise ValueError(f"maps {list(maps)} have {sum(sizes)} default boxes, got {len(boxes)}")
    level = torch.repeat_interleave(torch.arange(len(maps)), torch.tensor(sizes)).tolist()
    corners, match = boxes.tolist(), match.cpu()
    middle: list[int] = []
    start = 0
    for (cells, per_cell), size in zip(maps, sizes, strict=True):
        first = start + (cells // 2 * cells + cells // 2) * per_cell
        middle += range(first, first + per_cell)
        start += size
    tiles = [_tile(images[0], [], middle, corners, level)]
    for image, target, row in zip(images, targets, match, strict=True):
        tiles.append(_tile(image, target["boxes"].tolist(), (row >= 0).nonzero().flatten().tolist(), corners, level))
    legend = {
        f"{cells} x {cells} cells, {count} boxes": COLOURS[k % len(COLOURS)]
        for k, ((cells, _), count) in enumerate(zip(maps, sizes, strict=True))
    }
    captions = ["all boxes of one cell of each map", *["those that learn an object (white)"] * len(images)]
    return draw_tiles(tiles, legend, captions=captions)


def _tile(
    image: Tensor, objects: list[list[float]], chosen: Sequence[int], corners: list[list[float]], level: list[int]
) -> Tensor:
    """An image with its objects in white on top of default boxes, the large ones of the last map at the bottom."""
    marks = [Mark(corners[i], COLOURS[level[i] % len(COLOURS)], thin=True) for i in reversed(chosen)]
    return draw_marks(image, marks + [Mark(box, PAPER) for box in objects], side=256)
