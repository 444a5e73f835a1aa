"""Whether an image still shows the same after its style has changed: by its lights and darks, coarsely seen."""

from torch import Tensor
from torch.nn import functional as F

COARSE = 16
"""Side at which images are compared: lines and dots of a style are averaged, a face's parts are not."""


def coarse_tones(images: Tensor) -> Tensor:
    """What is on images, but not how it is drawn.

    Grey, averaged to ``COARSE`` pixels, free of the mean and of length 1: the product of two is the correlation of
    their tones, which neither brightness nor contrast nor fine texture changes.

    Args:
        images: (N, C, S, S) uint8.

    Returns:
        (N, COARSE^2) float32.
    """
    grey = images.float()
    if images.shape[1] == 3:
        grey = (grey * grey.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)
    tones = F.adaptive_avg_pool2d(grey, min(COARSE, images.shape[-1])).flatten(1)
    return F.normalize(tones - tones.mean(1, keepdim=True), dim=1)


def found_again(images: Tensor, own: Tensor, among: Tensor) -> Tensor:
    """(N,) bool: for which images (N, C, S, S) the nearest of ``among`` (M, C', S, S), by tones, is number ``own``."""
    return (coarse_tones(images) @ coarse_tones(among).T).argmax(1) == own
