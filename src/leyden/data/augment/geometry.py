"""Random crops, turns, shears and mirror images of a batch, each image by its own numbers, in one resampling."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

DRAWS = 7
"""Random numbers that ``random_affine`` takes for an image."""


def random_affine(
    u: Tensor,
    scale: tuple[float, float],
    ratio: float = 4 / 3,
    degrees: float = 0,
    shear: float = 0,
    flip: bool = False,
) -> Tensor:
    """Maps from places in a view to places in its image, as ``affine_grid`` takes them, a view per row of ``u``.

    Area and aspect ratio of the crop are drawn as in torchvision's RandomResizedCrop (area uniform, the logarithm of
    the ratio uniform); a crop that would be longer than the image in one direction is shortened there, where
    torchvision draws again. The place is uniform among all inside the image.

    Args:
        u: (B, 7) in [0, 1): area, ratio, place across and down, turn, shear, mirror.
        scale: least and greatest area, as a fraction of the image's; above 1 the image becomes smaller than the view.
        ratio: greatest aspect ratio, and the reciprocal of the least.
        degrees: greatest turn to either side.
        shear: greatest shear to either side, in degrees.
        flip: half of the views are mirrored left to right.

    Returns:
        (B, 2, 3) float32.
    """
    area = scale[0] + (scale[1] - scale[0]) * u[:, 0]
    aspect = ratio ** (2 * u[:, 1] - 1)
    longest = max(1.0, math.sqrt(scale[1]))
    width, height = ((area * aspect).sqrt().clamp(max=longest), (area / aspect).sqrt().clamp(max=longest))
    across, down = (1 - width) * (2 * u[:, 2] - 1), (1 - height) * (2 * u[:, 3] - 1)
    angle, slant = math.radians(degrees) * (2 * u[:, 4] - 1), math.radians(shear) * (2 * u[:, 5] - 1)
    mirrored = torch.where(u[:, 6] < 0.5, -width, width) if flip else width
    cos, sin, tan = angle.cos(), angle.sin(), slant.tan()
    rows = [
        torch.stack([mirrored * cos, height * (cos * tan - sin), across], 1),
        torch.stack([mirrored * sin, height * (sin * tan + cos), down], 1),
    ]
    return torch.stack(rows, 1)


def resample(images: Tensor, theta: Tensor) -> Tensor:
    """Views (B, C, H, W) of float images (B, C, H, W) by maps (B, 2, 3), bilinearly; 0 beyond the border."""
    return F.grid_sample(images, places(theta, *images.shape[2:]), padding_mode="zeros", align_corners=False)


def places(theta: Tensor, height: int, width: int) -> Tensor:
    """Where in its image each pixel of a view lies, (B, H, W, 2) in -1 to 1.

    As ``affine_grid(theta, size, align_corners=False)``, but a fifth of its time on a CPU: what a column adds and what
    a row adds are computed once.

    Args:
        theta: (B, 2, 3) maps of ``random_affine``.
        height: of the view in pixels.
        width: of the view in pixels.
    """
    x, y = ((2 * torch.arange(n, device=theta.device, dtype=theta.dtype) + 1) / n - 1 for n in (width, height))
    of_columns = x[:, None] * theta[:, None, :, 0]  # (B, W, 2)
    of_rows = y[:, None] * theta[:, None, :, 1] + theta[:, None, :, 2]  # (B, H, 2)
    return of_rows[:, :, None] + of_columns[:, None]
