"""How slanted and how wide drawn characters are, by the moments of their ink."""

import numpy as np
import torch
from skimage.measure import moments_central
from torch import Tensor


def slant_and_width(images: Tensor) -> tuple[Tensor, Tensor]:
    """Slant and width of each image, bright strokes on dark ground.

    With the central moments mu_pq of the brightness (scikit-image's ``moments_central``), x to the right, y downwards:

        slant = -mu_11 / mu_02                            how far a stroke leans to the right on its way up
        width = sqrt((mu_20 - mu_11^2 / mu_02) / mu_00)   deviation of x that is left once the slant is taken out

    Args:
        images: (N, C, H, W), >= 0; channels are averaged.

    Returns:
        slants (N,), a ratio, and widths (N,) as a fraction of W, both float64; NaN where an image is dark or its ink
        lies on one line.
    """
    grey = images.double().mean(1).cpu().numpy()
    moments = [moments_central(image, order=2) if image.any() else np.zeros((3, 3)) for image in grey]
    found = torch.from_numpy(np.stack(moments))  # (N, power of y, power of x)
    mass, across, down, both = found[:, 0, 0], found[:, 0, 2], found[:, 2, 0], found[:, 1, 1]
    width = ((across - both.square() / down) / mass).clamp(min=0).sqrt() / images.shape[-1]
    return -both / down, width.where(down > 0, torch.nan)
