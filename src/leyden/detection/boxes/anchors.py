"""Where detectors look: boxes at fixed places, from which they predict offsets."""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor


def default_boxes(
    image_size: int,
    map_sizes: Sequence[int],
    scales: Sequence[float],
    ratios: Sequence[Sequence[float]],
    strides: Sequence[float] | None = None,
) -> Tensor:
    """SSD's default boxes (Liu et al. 2016, section 2.2).

    Map k has side s_k and looks at every cell (i, j) from the centre ((j + 0.5) / f_k, (i + 0.5) / f_k), f_k its
    number of cells in a row, with boxes of width s sqrt(a) and height s / sqrt(a):

        (s_k, a = 1), (sqrt(s_k s_{k+1}), a = 1), then for each listed ratio a: (s_k, a), (s_k, 1 / a).

    Args:
        image_size: side of the square image in pixels.
        map_sizes: f_k, cells in a row of each square feature map.
        scales: s_k as fractions of the image's side; one more than there are maps.
        ratios: for each map, width over height of the boxes besides the two squares; each is also used upright.
        strides: pixels between two centres, where that is not image_size / f_k: the authors' code has 8, 16, 32, 64,
            100 and 300 for SSD300.

    Returns:
        (P, 4) centre x, centre y, width, height as fractions of the image, sizes cut to 1; map by map, row by row,
        cell by cell, in the order above. With ``strides`` the last centres of a map may lie outside the image.

    Raises:
        ValueError: the lists' lengths do not fit.
    """
    maps = len(map_sizes)
    if len(scales) != maps + 1 or len(ratios) != maps or (strides is not None and len(strides) != maps):
        raise ValueError(
            f"{maps} feature maps need {maps + 1} scales, {maps} lists of aspect ratios and {maps} strides (or none), "
            f"got {len(scales)}, {len(ratios)} and {None if strides is None else len(strides)}"
        )
    boxes = []
    for k, size in enumerate(map_sizes):
        step = 1 / size if strides is None else strides[k] / image_size
        middle = math.sqrt(scales[k] * scales[k + 1])
        shapes = [(scales[k], scales[k]), (middle, middle)]
        for ratio in ratios[k]:
            long, short = scales[k] * math.sqrt(ratio), scales[k] / math.sqrt(ratio)
            shapes += [(long, short), (short, long)]
        boxes += [
            ((j + 0.5) * step, (i + 0.5) * step, width, height)
            for i, j in itertools.product(range(size), repeat=2)
            for width, height in shapes
        ]
    result = torch.tensor(boxes)
    result[:, 2:].clamp_(max=1)
    return result


def anchor_sizes(scales: Sequence[float], ratios: Sequence[float], base: int = 16) -> Tensor:
    """Widths and heights of Faster R-CNN's anchors (Ren et al. 2015, section 3.1.1), as in the authors' code.

    The anchor of a ratio is first rounded to whole pixels in a cell of ``base`` pixels and then enlarged:

        w = round(sqrt(base^2 / ratio)),  h = round(w ratio),  both times scale

    so that, of base 16, the scales 8, 16, 32 and the ratios 0.5, 1, 2 make the nine anchors from 184 x 96 to 352 x 704.

    Args:
        scales: side of the anchors, in multiples of ``base``.
        ratios: height over width; SSD's are width over height.
        base: pixels.

    Returns:
        (len(ratios) * len(scales), 2) width, height in pixels; ratio by ratio.
    """
    shapes = []
    for ratio in ratios:
        width = round(math.sqrt(base**2 / ratio))
        shapes += [(width * scale, round(width * ratio) * scale) for scale in scales]
    return torch.tensor(shapes, dtype=torch.float32)


def grid_anchors(sizes: Tensor, cells: int, stride: float) -> Tensor:
    """Anchors (k, 2) of width and height, in pixels, at every cell of a square map.

    Returns:
        (cells * cells * k, 4) centre x, centre y, width, height in pixels; row by row, cell by cell. They may reach
        beyond the image.
    """
    centre = (torch.arange(cells) + 0.5) * stride
    y, x = torch.meshgrid(centre, centre, indexing="ij")
    centres = torch.stack([x, y], 2).view(-1, 1, 2).expand(-1, len(sizes), -1)
    return torch.cat([centres, sizes.expand(cells * cells, -1, -1)], 2).view(-1, 4)
