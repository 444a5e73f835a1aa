"""The Laplacian pyramid (Burt and Adelson 1983) as LAPGAN decomposes images (Denton et al. 2015, section 2.2).

With d halving the side and u doubling it, a Gaussian pyramid is I_0 = I, I_{k+1} = d(I_k), and a Laplacian pyramid

    h_k = I_k - u(I_{k+1})  for k < K,    h_K = I_K

so that I_k = u(I_{k+1}) + h_k gives the image back, exactly, for any d and u: h_k is just what u(d(I_k)) lacks.

Here d is the mean of 2x2 pixels and u bilinear, both of which leave a constant as it is and the mean of every image:
hence h_k of a constant is 0 and the mean of every h_k is 0. Authors' code has bilinear scaling for both as well; Burt
and Adelson blur by a 5x5 binomial first.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def down(images: Tensor) -> Tensor:
    """d: (N, C, 2H, 2W) to the (N, C, H, W) means of 2x2 pixels, which is bilinear sampling between them."""
    return F.avg_pool2d(images, 2)


def up(images: Tensor) -> Tensor:
    """u: (N, C, H, W) to (N, C, 2H, 2W), bilinear, edges repeated."""
    return F.interpolate(images, scale_factor=2, mode="bilinear")


def decompose(images: Tensor, levels: int) -> tuple[list[Tensor], list[Tensor]]:
    """The Laplacian pyramid of images, and what each level is added to.

    Args:
        images: (N, C, S, S) float, S a multiple of 2^(levels - 1).
        levels: K + 1; 1 leaves the images as they are.

    Returns:
        ``residuals`` h_0, ..., h_K, fine to coarse, of sides S, S / 2, ..., S / 2^K, and ``low_passes`` l_0, ..., l_K
        of the same shapes: l_k = u(I_{k+1}), and l_K = 0. So I_k is their sum at every level.

    Raises:
        ValueError: the side cannot be halved so often.
    """
    if levels < 1 or any(side % (1 << levels - 1) for side in images.shape[-2:]):
        raise ValueError(
            f"{levels} pyramid levels need a side that can be halved {levels - 1} times, got {images.shape}"
        )
    residuals, low_passes = [], []
    for _ in range(levels - 1):
        smaller = down(images)
        low_passes.append(up(smaller))
        residuals.append(images - low_passes[-1])
        images = smaller
    return [*residuals, images], [*low_passes, torch.zeros_like(images)]


def reconstruct(residuals: list[Tensor]) -> Tensor:
    """The images (N, C, S, S) of which ``residuals`` h_0, ..., h_K are the Laplacian pyramid."""
    image = residuals[-1]
    for residual in residuals[-2::-1]:
        image = up(image) + residual
    return image
