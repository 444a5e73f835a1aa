"""Crops of regions for R-CNN's network: warped to one size, with some context around them.

After Girshick et al. 2014, appendix A ("warp" with p = 16 pixels of context), and their ``rcnn_im_crop.m``.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

OUTSIDE = -9.0
"""A position far outside the image, in ``grid_sample``'s coordinates."""


def windows(boxes: Tensor, crop_size: int, context: int) -> Tensor:
    """The window of each box, so that the warped box has ``context`` pixels around it.

    The box itself gets ``crop_size - 2 context`` pixels, so that around its centre the window is

        s = crop_size / (crop_size - 2 context)

    times as large, in whole pixels. The authors' code counts pixels from 1 and names the last one: there the box
    [100, 50, 199, 149] has, at 227 pixels with 16 of context, the window [92, 42, 208, 158], that is (91, 41, 208, 158)
    here.

    Args:
        boxes: (N, 4) xyxy pixels.
        crop_size: side of the crops, pixels.
        context: pixels of a crop.

    Returns:
        (N, 4) float xyxy, whole numbers, at least a pixel wide and high; parts may lie outside the image.
    """
    if context == 0:
        low, high = _round(boxes).split(2, 1)
        return torch.cat([low, torch.maximum(high, low + 1)], 1)
    centre, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    half = size / 2 * (crop_size / (crop_size - 2 * context))
    return torch.cat([_round(centre - half), _round(centre + half) + 1], 1)


def crop(images: Tensor, boxes: Tensor, image: Tensor, crop_size: int, context: int) -> Tensor:
    """The windows of boxes, warped to squares: bilinear without antialias, 0 where there is no image.

    Args:
        images: (B, C, H, W) float, normalised, so that 0 is the mean colour.
        boxes: (N, 4) xyxy pixels.
        image: (N,) int64 image of each box.
        crop_size: side of the crops, pixels.
        context: see :func:`windows`.

    Returns:
        (N, C, crop_size, crop_size).
    """
    count, channels, height, width = images.shape
    x1, y1, x2, y2 = windows(boxes.float(), crop_size, context).unbind(1)
    x, inside_x = _samples(x1, x2, width, crop_size)
    y, inside_y = _samples(y1, y2, height, crop_size)
    # The images one above the other are one, so that no image is copied for each of its crops.
    stacked = images.transpose(0, 1).reshape(1, channels, count * height, width)
    # What lies beyond -1 and 1 becomes 0.
    x = ((2 * x + 1) / width - 1).where(inside_x, OUTSIDE)
    y = ((2 * (y + height * image[:, None]) + 1) / (count * height) - 1).where(inside_y, OUTSIDE)
    shape = (-1, crop_size, crop_size)
    places = torch.stack([x[:, None].expand(shape), y[:, :, None].expand(shape)], 3).to(stacked.dtype)
    return F.grid_sample(stacked.expand(len(boxes), -1, -1, -1), places, align_corners=False)


def _samples(low: Tensor, high: Tensor, size: int, crop_size: int) -> tuple[Tensor, Tensor]:
    """The positions along one side of the image that the pixels of crops come from.

    The part of a window that lies in the image becomes a whole number of pixels of the crop; between their centres, as
    between the image's, is linear interpolation, and the window's outermost pixels go on to its edge.

    Args:
        low: (N,) first pixel of the windows.
        high: (N,) behind their last pixel.
        size: pixels of the image.
        crop_size: pixels of the crops.

    Returns:
        (N, crop_size) positions, 0 being the centre of the first pixel, and (N, crop_size) bool: of the image.
    """
    first, last = low.clamp(min=0), high.clamp(max=size)
    scale = crop_size / (high - low)
    before = _round((first - low) * scale)
    part = torch.minimum(_round((last - first) * scale), crop_size - before)
    index = torch.arange(crop_size, device=low.device)
    step = (last - first) / part.clamp(min=1)
    position = first[:, None] + (index - before[:, None] + 0.5) * step[:, None] - 0.5
    inside = (index >= before[:, None]) & (index < (before + part)[:, None])
    return torch.minimum(torch.maximum(position, first[:, None]), last[:, None] - 1).clamp(0, size - 1), inside


def _round(x: Tensor) -> Tensor:
    """The nearest whole number; halves go up, also below 0."""
    return (x + 0.5).floor()
