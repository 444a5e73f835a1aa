"""Random colour, blur and noise of a batch of images in [0, 1], each image by its own numbers."""

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in an image's grey value (ITU-R BT.601), as torchvision has them."""
RGB_TO_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
"""Grey value and two axes of colour around which a hue turns."""
TILE = 256
"""Side of the noise that windows are taken from."""


def jitter(images: Tensor, u: Tensor, strength: float, probability: float = 0.8, grey: float = 0.0) -> Tensor:
    """Other brightness, contrast, saturation and hue (Chen et al. 2020, appendix A), and for some no colour at all.

    With the paper's strength s, brightness, contrast and saturation are multiplied by 1 - 0.8 s to 1 + 0.8 s, and the
    hue is turned by up to 0.2 s of a full turn to either side. All four are one affine map of a pixel, so a batch is
    one matrix product. Departures: the order is fixed, and values are clamped once, at the end; the hue turns in the
    plane of YIQ, which keeps the grey value, where torchvision turns in HSV.

    Args:
        images: (B, 1 or 3, H, W) float32 in [0, 1]; of grey ones brightness and contrast change.
        u: (B, 6) in [0, 1): whether, brightness, contrast, saturation, hue, whether without colour.
        strength: s.
        probability: of a change; the others stay as they are.
        grey: probability that a colour image loses its colour.

    Returns:
        (B, C, H, W) float32 in [0, 1].
    """
    spread = min(1.0, 0.8 * strength)
    changed = (u[:, 0] < probability).to(images.dtype)
    brightness, contrast, saturation = (1 + spread * (2 * u[:, i] - 1) * changed for i in (1, 2, 3))
    if images.shape[1] == 1:
        means = images.mean((1, 2, 3))
        scale, shift = brightness * contrast, brightness * (1 - contrast) * means
        return (images * scale[:, None, None, None] + shift[:, None, None, None]).clamp(0, 1)
    turn = 2 * math.pi * 0.2 * strength * (2 * u[:, 4] - 1) * changed
    saturation = torch.where(u[:, 5] < grey, 0.0, saturation)
    colours = brightness[:, None, None] * _of_colour(saturation, turn)  # (B, 3, 3)
    means = (images.mean((2, 3)) * images.new_tensor(LUMA)).sum(1) * brightness
    shift = (1 - contrast) * means
    moved = torch.baddbmm(shift[:, None, None], contrast[:, None, None] * colours, images.flatten(2))
    return moved.clamp_(0, 1).view_as(images)


def _of_colour(saturation: Tensor, turn: Tensor) -> Tensor:
    """Matrices (B, 3, 3) on RGB that scale the colour alone by ``saturation`` (B,) and turn it by ``turn`` (B,)."""
    to_yiq = saturation.new_tensor(RGB_TO_YIQ)
    inside = torch.zeros(len(turn), 3, 3, dtype=turn.dtype, device=turn.device)
    inside[:, 0, 0] = 1
    inside[:, 1, 1] = inside[:, 2, 2] = saturation * turn.cos()
    inside[:, 2, 1] = saturation * turn.sin()
    inside[:, 1, 2] = -inside[:, 2, 1]
    return torch.linalg.inv(to_yiq) @ inside @ to_yiq


def blur(images: Tensor, u: Tensor, probability: float) -> Tensor:
    """Some images convolved with a Gaussian of random width (Chen et al. 2020, appendix A).

    The standard deviation is uniform in 0.1 to 2 pixels at the paper's 224 pixels, where the kernel is a tenth of the
    side wide; here both shrink with the side, and the kernel has 3 taps at least.

    Args:
        images: (B, C, S, S) float.
        u: (B, 2) in [0, 1): whether, width.
        probability: of a blur.

    Returns:
        (B, C, S, S).
    """
    chosen = (u[:, 0] < probability).nonzero().flatten()
    side = images.shape[-1]
    sigma = (0.1 + 1.9 * u[chosen, 1]) * max(0.5, side / 224)
    matrices = _blur_matrices(sigma.to(images.dtype), side, max(1, round(side / 20)))[:, None]
    return images.index_copy(0, chosen, matrices @ images[chosen] @ matrices.mT)


def _blur_matrices(sigma: Tensor, side: int, radius: int) -> Tensor:
    """What blurs a column of pixels, mirrored beyond the border: (B, side, side) for standard deviations (B,)."""
    distances = torch.arange(radius + 1, device=sigma.device, dtype=sigma.dtype)
    taps = torch.exp(-0.5 * (distances / sigma[:, None]).square())  # (B, radius + 1), the middle first
    taps = taps / (taps[:, :1] + 2 * taps[:, 1:].sum(1, keepdim=True))
    return torch.einsum("bk,kij->bij", taps, _neighbours(side, radius, sigma.device).to(sigma.dtype))


@lru_cache(maxsize=4)
def _neighbours(side: int, radius: int, device: torch.device) -> Tensor:
    """(radius + 1, side, side): how often pixel j is a pixel at distance k of pixel i, mirrored beyond the border."""
    padded = F.pad(torch.eye(side, device=device)[:, None], (radius, radius), mode="reflect")[:, 0]  # (side, places)
    at = [padded[:, radius + k : radius + k + side].T for k in range(-radius, radius + 1)]
    return torch.stack([at[radius], *(at[radius - k] + at[radius + k] for k in range(1, radius + 1))])


def noise(images: Tensor, u: Tensor, deviation: float) -> Tensor:
    """Images with Gaussian noise, clamped to [0, 1].

    A noise of its own for each image would take as many numbers as it has pixels. Instead there is one tile of noise,
    always the same, and each image gets a window of it, wrapped around the borders, at a random place.

    Args:
        images: (B, C, S, S) float in [0, 1].
        u: (B, 2) in [0, 1): the window's place.
        deviation: standard deviation, as a fraction of the range of values.
    """
    channels, side = images.shape[1], images.shape[-1]
    tile = _noise_tile(channels, TILE + side, images.device)
    top, left = (u * TILE).long().unbind(1)
    windows = tile.unfold(1, side, 1).unfold(2, side, 1)  # (C, places, places, S, S), a view
    return (images + deviation * windows[:, top, left].transpose(0, 1)).clamp_(0, 1)


@lru_cache(maxsize=4)
def _noise_tile(channels: int, side: int, device: torch.device) -> Tensor:
    """(channels, side, side) of standard normal numbers that repeat after ``TILE``, equal in all runs."""
    numbers = torch.randn(channels, TILE, TILE, generator=torch.Generator().manual_seed(0), device="cpu")
    times = -(-side // TILE)
    return numbers.repeat(1, times, times)[:, :side, :side].to(device)
