"""Differentiable augmentation (Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training").

Whatever the discriminator sees, real or generated, is changed at random first, and the generator's gradient flows
through the change. So a discriminator cannot learn few training images by heart, and the generator does not learn to
make changed images, as it would if only the real ones were.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def color_jitter(images: Tensor, strength: float) -> Tensor:
    """Changes each image's brightness, saturation and contrast, in this order, as the authors' code.

    Args:
        images: (N, C, H, W), -1..1; the result may leave the range.
        strength: in [0, 1]; at the paper's 1, brightness moves by up to 0.5, saturation is multiplied by 0 to 2 and
            contrast by 0.5 to 1.5.

    Returns:
        (N, C, H, W), differentiable with respect to ``images``.
    """
    if strength == 0:
        return images
    u = (torch.rand(3, len(images), 1, 1, 1, device=images.device) - 0.5) * strength
    images = images + u[0]
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * (1 + 2 * u[1])
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (images - mean) * (1 + u[2])


def translate(images: Tensor, fraction: float) -> Tensor:
    """Shifts each image by up to ``fraction`` of its side, in whole pixels, each direction by itself; 0 comes in.

    Args:
        images: (N, C, H, W), -1..1.
        fraction: in [0, 1); the paper has 1/8.

    Returns:
        (N, C, H, W), differentiable with respect to ``images``.
    """
    count, _, height, width = images.shape
    reach = round(fraction * width)
    if reach == 0:
        return images
    padded = F.pad(images, (reach, reach, reach, reach)).permute(0, 2, 3, 1)
    down, right = torch.randint(0, 2 * reach + 1, (2, count, 1, 1), device=images.device)
    rows = torch.arange(height, device=images.device)[:, None] + down
    columns = torch.arange(width, device=images.device) + right
    picked = padded[torch.arange(count, device=images.device)[:, None, None], rows, columns]
    return picked.permute(0, 3, 1, 2)


def cutout(images: Tensor, fraction: float) -> Tensor:
    """Sets a square of ``fraction`` of the side to 0, its centre anywhere in each image, so it may reach over the edge.

    Args:
        images: (N, C, H, W), -1..1.
        fraction: in [0, 1); the paper has 1/2.

    Returns:
        (N, C, H, W), differentiable with respect to ``images``.
    """
    count, _, height, width = images.shape
    side = round(fraction * width)
    if side == 0:
        return images
    top = torch.randint(1 - side // 2, height - side // 2, (count, 1, 1), device=images.device)
    left = torch.randint(1 - side // 2, width - side // 2, (count, 1, 1), device=images.device)
    rows, columns = torch.arange(height, device=images.device)[:, None], torch.arange(width, device=images.device)
    inside = (rows >= top) & (rows < top + side) & (columns >= left) & (columns < left + side)
    return images.masked_fill(inside[:, None], 0)


def sometimes(images: Tensor, changed: Tensor, probability: Tensor) -> Tensor:
    """Each image changed with a probability, or as it was; ``images`` and ``changed`` (N, C, H, W), () in [0, 1]."""
    chosen = torch.rand(len(images), 1, 1, 1, device=images.device) < probability
    return torch.where(chosen, changed, images)
