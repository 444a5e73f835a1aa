"""How far enlarged pictures are from the true ones: in pixels (PSNR, SSIM), in texture, and to a trained eye (LPIPS).

PSNR and SSIM differ by more than methods do when they are computed otherwise, so here as the field's tables have it:
on the luma Y alone, of MATLAB's rgb2ycbcr with its range 16 to 235 (the full range would give 1.3 dB less), without a
border of as many pixels as the scale, each picture by itself. Means are taken of these numbers, not of the errors.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure
from torchmetrics.functional.image.lpips import _LPIPS

from leyden.metrics.sliced_wasserstein import distance_of_projections, laplacian_pyramid, take_patches

RGB_TO_Y = (65.481, 128.553, 24.966)
"""ITU-R BT.601: what red, green and blue in 0..1 add to a luma that begins at 16."""
SSIM_WINDOW = 11
"""Pixels a side of torchmetrics' Gaussian window, sigma 1.5."""


def luma(images: Tensor) -> Tensor:
    """Y of RGB images in 0..255: (N, 3, H, W) to float (N, 1, H, W) in 16..235; grey images stay as they are.

    As MATLAB's rgb2ycbcr, but not rounded to whole values, as usual in the field.
    """
    images = images.float()
    if images.shape[1] == 1:
        return images
    weights = torch.tensor(RGB_TO_Y, device=images.device).view(3, 1, 1) / 255
    return 16 + (images * weights).sum(1, keepdim=True)


def psnr(images: Tensor, truth: Tensor, border: int = 0) -> Tensor:
    """Peak signal-to-noise ratio of each image's luma: 10 log10(255^2 / mean squared difference).

    Args:
        images: (N, 1 or 3, H, W) in 0..255.
        truth: likewise.
        border: so many pixels at each edge do not count; by custom the scale.

    Returns:
        (N,) decibels; infinite where both agree.

    Raises:
        ValueError: the shapes differ, or the border leaves nothing.
    """
    a, b = _compared(images, truth, border, 1)
    return peak_signal_noise_ratio(a, b, data_range=255.0, reduction="none", dim=(1, 2, 3))


def ssim(images: Tensor, truth: Tensor, border: int = 0) -> Tensor:
    """Structural similarity of each image's luma (Wang et al. 2004): Gaussian window of 11 pixels, K1 .01, K2 .03.

    As in the authors' code, only windows that lie wholly inside count.

    Args:
        images: (N, 1 or 3, H, W) in 0..255.
        truth: likewise.
        border: so many pixels at each edge do not count; by custom the scale.

    Returns:
        (N,) in -1..1; 1 where both agree.

    Raises:
        ValueError: the shapes differ, or what is inside the border is smaller than the window.
    """
    a, b = (which.double() for which in _compared(images, truth, border, SSIM_WINDOW))
    options: dict[str, Any] = {"data_range": 255.0, "reduction": "none", "return_full_image": True}
    _, similar = structural_similarity_index_measure(a, b, **options)
    edge = SSIM_WINDOW // 2  # there torchmetrics has mirrored the images
    return similar[..., edge:-edge, edge:-edge].mean((1, 2, 3)).float()


def texture_distance(
    images: Tensor, truth: Tensor, levels: int = 1, patches: int = 2048, projections: int = 128, seed: int = 0
) -> float:
    """How differently images and the true ones are textured, wherever the texture lies: needs no network.

    The sliced Wasserstein distance of patches of 7x7 pixels on the finest levels of a Laplacian pyramid, as in
    ``leyden.metrics.sliced_wasserstein``, with one difference: both sets are scaled by the mean and the deviation of
    the true one. Scaled each by its own, as generated images are judged, an image without fine detail, blown up, would
    look like any other; here the lack of it is what counts.

    Args:
        images: (N, C, H, W) in 0..255.
        truth: likewise.
        levels: of the pyramid that count, from the finest on; log2 of the scale are those that were lost.
        patches: of each image and level, at the same places in both sets.
        projections: random directions.
        seed: of places and directions.

    Returns:
        1000 times the distance, averaged over the levels; 0 where both agree.

    Raises:
        ValueError: the shapes differ.
    """
    _same_shape(images, truth)
    distances = []
    places = [torch.Generator().manual_seed(seed) for _ in range(2)]  # the same for both
    pyramids = [laplacian_pyramid(which.float())[:levels] for which in (images, truth)]
    for pair in zip(*pyramids, strict=True):
        found, true = (take_patches(level, patches, place) for level, place in zip(pair, places, strict=True))
        deviation, mean = torch.std_mean(true, dim=(0, 2, 3), keepdim=True, correction=0)
        found, true = (((some - mean) / deviation.clamp(min=1e-2)).flatten(1) for some in (found, true))
        distances.append(1000 * distance_of_projections(found, true, projections, seed))
    return sum(distances) / len(distances)


class Lpips(nn.Module):
    """Learned perceptual image patch similarity (Zhang et al. 2018), version 0.1, on SqueezeNet 1.1.

    torchmetrics' network with the linear layers that it ships; the backbone's ImageNet weights are given, because
    torchmetrics would download them.

    Args:
        state: of torchvision's ``squeezenet1_1``, or of its ``features``.

    Raises:
        ValueError: weights of another network.
    """

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        self.net = _LPIPS(pretrained=True, net="squeeze", pnet_rand=True)
        own = self.net.net.state_dict()
        layers = {key.removeprefix("features."): value for key, value in state.items()}
        given = {key: layers.get(key.split(".", 2)[2]) for key in own}  # slices.1.3.squeeze.weight: 3.squeeze.weight
        wrong = [key for key, value in own.items() if (new := given[key]) is None or new.shape != value.shape]
        if wrong:
            raise ValueError(f"LPIPS needs weights of squeezenet1_1: {len(wrong)} of {len(own)} tensors do not fit")
        self.net.net.load_state_dict(given)
        self.requires_grad_(False).eval()

    @torch.no_grad()
    def forward(self, images: Tensor, truth: Tensor) -> Tensor:
        """(N, 1 or 3, H, W) in 0..255, both: (N,) distances from 0, the smaller the more alike to people."""
        _same_shape(images, truth)
        a, b = (which.float().expand(-1, 3, -1, -1) / 127.5 - 1 for which in (images, truth))
        return self.net.eval()(a, b).reshape(-1)


def _compared(images: Tensor, truth: Tensor, border: int, least: int) -> tuple[Tensor, Tensor]:
    """The lumas inside the border."""
    _same_shape(images, truth)
    height, width = images.shape[-2:]
    if min(height, width) - 2 * border < least:
        raise ValueError(
            f"images of {width} x {height} pixels have fewer than {least} a side inside a border of {border}: "
            "take larger ones"
        )
    inside = slice(border, height - border), slice(border, width - border)
    a, b = (luma(which)[..., inside[0], inside[1]] for which in (images, truth))
    return a, b


def _same_shape(images: Tensor, truth: Tensor) -> None:
    if images.shape != truth.shape:
        raise ValueError(f"images {tuple(images.shape)} and the truth {tuple(truth.shape)} differ in shape")
