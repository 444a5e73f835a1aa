"""Sliced Wasserstein distance of image patches, level by level of a Laplacian pyramid; needs no network."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

PATCH = 7
"""Side of a patch in pixels."""
SMALLEST = 16
"""The coarsest level has a side of 16 to 31 pixels."""


def sliced_wasserstein(
    real: Tensor, generated: Tensor, patches: int = 128, projections: int = 512, seed: int = 0
) -> dict[int, float]:
    """How differently two sets of images are textured, at each scale (Karras et al. 2018, "Progressive Growing of
    GANs for Improved Quality, Stability, and Variation", section 5).

    Each image becomes a Laplacian pyramid; on each level ``patches`` of 7x7 pixels are taken from every image, and the
    channels of each set are brought to mean 0 and deviation 1. The Wasserstein distance of two sets of vectors is
    costly, that of their projections onto a direction is not: sort both and take the mean absolute difference. It is
    averaged over random directions. The paper has 128 patches and 4 x 128 directions. Where we depart from the
    authors' code: patches lie at the same places in both sets, so that equal sets are at a distance of exactly 0.

    Args:
        real: (N, C, H, W) uint8, on any device.
        generated: (N, C, H, W) uint8, as many; two samples of one distribution are the nearer, the more there are.
        patches: of each image and level.
        projections: random directions.
        seed: of places and directions.

    Returns:
        the distance times 1000, by the level's height in pixels, fine to coarse.

    Raises:
        ValueError: the sets have different shapes, or images below 16 pixels.
    """
    if real.shape != generated.shape:
        raise ValueError(
            "the sliced Wasserstein distance needs two equal numbers of equal images, "
            f"got {tuple(real.shape)} and {tuple(generated.shape)}"
        )
    if min(real.shape[-2:]) < SMALLEST:
        raise ValueError(f"the sliced Wasserstein distance needs images of {SMALLEST} pixels or more")
    pairs = zip(_descriptors(real, patches, seed), _descriptors(generated, patches, seed), strict=True)
    return {height: 1000 * distance_of_projections(x, y, projections, seed) for (height, x), (_, y) in pairs}


def distance_of_projections(x: Tensor, y: Tensor, projections: int, seed: int = 0, at_once: int = 64) -> float:
    """Sliced Wasserstein-1 distance of two sets of vectors (Rabin et al. 2011): the mean over random directions.

    In one dimension the optimal transport pairs the smallest with the smallest, so it is the mean absolute difference
    of the sorted projections. Two Gaussians that differ by a shift m alone are |m| E|u_1| apart, where u is uniform on
    the unit sphere of R^K: E|u_1| = Gamma(K / 2) / (sqrt(pi) Gamma((K + 1) / 2)).

    Args:
        x: (M, K).
        y: (M, K).
        projections: random directions.
        seed: of them.
        at_once: directions that are sorted together, for less memory.
    """
    directions = torch.randn(projections, x.shape[1], generator=torch.Generator().manual_seed(seed))
    directions = (directions / directions.norm(dim=1, keepdim=True)).to(x.device)

    def ordered(points: Tensor, some: Tensor) -> np.ndarray:
        return np.sort((some @ points.T).cpu().numpy())  # four times as fast as torch, which brings the order along

    parts = [np.abs(ordered(x, some) - ordered(y, some)).mean(1) for some in directions.split(at_once)]
    return float(np.concatenate(parts).mean())


def laplacian_pyramid(images: Tensor) -> list[Tensor]:
    """Float images (N, C, H, W) as what each scale adds to the next coarser one, fine to coarse.

    Each level but the last is the image less its low-pass; the last is what is left, below 32 pixels a side. Levels
    enlarged and added up from the last to the first give the images back (Burt and Adelson 1983).
    """
    levels = []
    while min(images.shape[-2:]) >= 2 * SMALLEST:
        coarse = _blur(images)[..., ::2, ::2]
        enlarged = torch.zeros_like(images)
        enlarged[..., ::2, ::2] = coarse
        levels.append(images - 4 * _blur(enlarged))  # three of four pixels were 0
        images = coarse
    return [*levels, images]


def _blur(images: Tensor) -> Tensor:
    """Binomial filter of 5x5 pixels; edges are mirrored."""
    row = torch.tensor([1.0, 4, 6, 4, 1], device=images.device) / 16
    planes = F.pad(images.flatten(0, 1).unsqueeze(1), (2, 2, 2, 2), mode="reflect")
    return F.conv2d(F.conv2d(planes, row.view(1, 1, 1, 5)), row.view(1, 1, 5, 1)).view_as(images)


def _descriptors(images: Tensor, patches: int, seed: int) -> list[tuple[int, Tensor]]:
    """For each level its height and the normalised patches (N * patches, C * 49)."""
    generator = torch.Generator().manual_seed(seed)
    found: list[list[Tensor]] = []
    heights: list[int] = []
    for part in images.split(256):
        levels = laplacian_pyramid(part.float())
        heights = [level.shape[-2] for level in levels]
        found = found or [[] for _ in levels]
        for level, taken in zip(levels, found, strict=True):
            taken.append(take_patches(level, patches, generator))
    return [(height, _normalise(torch.cat(taken))) for height, taken in zip(heights, found, strict=True)]


def take_patches(level: Tensor, patches: int, generator: torch.Generator) -> Tensor:
    """Patches (N * patches, C, 7, 7) at random places of images (N, C, H, W)."""
    n, channels, height, width = level.shape
    top = torch.randint(height - PATCH + 1, (n, patches), generator=generator)
    left = torch.randint(width - PATCH + 1, (n, patches), generator=generator)
    inside = torch.arange(PATCH)
    place = (top[..., None, None] + inside[:, None]) * width + left[..., None, None] + inside  # (n, patches, 7, 7)
    place = place.view(n, 1, -1).expand(-1, channels, -1).to(level.device)
    taken = level.flatten(2).gather(2, place).view(n, channels, patches, PATCH, PATCH)
    return taken.transpose(1, 2).flatten(0, 1)


def _normalise(taken: Tensor) -> Tensor:
    """Patches (M, C, 7, 7) as vectors (M, C * 49), each channel with mean 0 and deviation 1."""
    deviation, mean = torch.std_mean(taken, dim=(0, 2, 3), keepdim=True, correction=0)
    return ((taken - mean) / deviation.clamp(min=1e-2)).flatten(1)  # a flat channel, of rounding errors alone, stays 0
