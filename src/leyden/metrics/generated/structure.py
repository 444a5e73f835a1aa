"""Whether two images show the same content in different styles: the structure of their brightness."""

import torch
from torch import Tensor
from torch.nn import functional as F

from leyden.metrics.generated.super_resolution import luma

CELL = 4
"""Side in pixels of the squares over which brightness is averaged: about the width of an engraving's line."""
STABLE = 1.0
"""Squared grey values, added to variances and covariances: images without any structure are not alike."""


def structure_similarity(images: Tensor, others: Tensor, cell: int = CELL) -> Tensor:
    """The structure term of SSIM (Wang et al. 2004, eq. 10) between each image and its counterpart, as a whole.

    s = (cov(x, y) + c) / (sd(x) sd(y) + c) of the luma, averaged over squares of ``cell`` pixels: the correlation of
    what is bright and dark where. Unlike SSIM's other terms it does not change with brightness, contrast or colour;
    averaging leaves out lines and strokes, which are the style.

    Args:
        images: (N, 1 or 3, H, W) in 0..255.
        others: same shape and range.
        cell: divides H and W.

    Returns:
        (N,) from -1 to 1: 1 where both agree, about 0 where they have nothing to do with each other.

    Raises:
        ValueError: the shapes differ.
    """
    if images.shape != others.shape:
        raise ValueError(f"structures of images of equal shapes are compared, got {images.shape} and {others.shape}")
    x, y = (F.avg_pool2d(luma(each), cell).flatten(1) for each in (images, others))
    x, y = (each - each.mean(1, keepdim=True) for each in (x, y))
    covariance, deviations = (x * y).mean(1), (x.square().mean(1) * y.square().mean(1)).sqrt()
    return torch.where(deviations > 0, covariance / (deviations + STABLE), 0.0)
