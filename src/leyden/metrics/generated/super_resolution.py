"""Distances of enlarged images from the true ones: PSNR, SSIM, texture, and as people see them (LPIPS).

PSNR and SSIM differ by more than methods do when they are computed otherwise, so here as the field's tables have it:
on the luma Y alone, of MATLAB's rgb2ycbcr with its range 16 to 235 (the full range would give 1.3 dB less), without a
border of as many pixels as the scale, each image by itself. Means are taken of these numbers, not of the errors.
"""

from importlib.resources import files
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure
from torchvision.models import squeezenet1_1

from leyden.metrics.generated.sliced_wasserstein import distance_of_projections, laplacian_pyramid, take_patches

RGB_TO_Y = (65.481, 128.553, 24.966)
"""ITU-R BT.601: what red, green and blue in 0..1 add to a luma that begins at 16."""
SSIM_WINDOW = 11
"""Pixels a side of torchmetrics' Gaussian window, sigma 1.5."""
LPIPS_LAYERS = (1, 4, 7, 9, 10, 11, 12)
"""Layers of SqueezeNet's ``features`` whose outputs LPIPS compares."""
LPIPS_SHIFT, LPIPS_SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""ImageNet's mean and deviation of red, green and blue in -1..1, as the authors of LPIPS have them."""


def luma(images: Tensor) -> Tensor:
    """Y of RGB images in 0..255: (N, 3, H, W) to float (N, 1, H, W) in 16..235; grey images stay as they are.

    As MATLAB's rgb2ycbcr, but not rounded to whole values, as usual in the field.
    """
    images = images.float()
    if images.shape[1] == 1:
        return images
    weights = torch.tensor(RGB_TO_Y, device=images.device).view(3, 1, 1) / 255
    return 16 + (images * weights).sum(1, keepdim=True)


def psnr(images: Tensor, target: Tensor, border: int = 0) -> Tensor:
    """Peak signal-to-noise ratio of each image's luma: 10 log10(255^2 / mean squared difference).

    Args:
        images: (N, 1 or 3, H, W) in 0..255.
        target: same shape and range.
        border: so many pixels at each edge do not count; by custom the scale.

    Returns:
        (N,) decibels; infinite where both agree.

    Raises:
        ValueError: the shapes differ, or the border leaves nothing.
    """
    a, b = _compared(images, target, border, 1)
    return peak_signal_noise_ratio(a, b, data_range=255.0, reduction="none", dim=(1, 2, 3))


def ssim(images: Tensor, target: Tensor, border: int = 0) -> Tensor:
    """Structural similarity of each image's luma (Wang et al. 2004): Gaussian window of 11 pixels, K1 .01, K2 .03.

    As in the authors' code, only windows that lie wholly inside count.

    Args:
        images: (N, 1 or 3, H, W) in 0..255.
        target: same shape and range.
        border: so many pixels at each edge do not count; by custom the scale.

    Returns:
        (N,) in -1..1; 1 where both agree.

    Raises:
        ValueError: the shapes differ, or what is inside the border is smaller than the window.
    """
    a, b = (which.double() for which in _compared(images, target, border, SSIM_WINDOW))
    options: dict[str, Any] = {"data_range": 255.0, "reduction": "none", "return_full_image": True}
    _, similar = structural_similarity_index_measure(a, b, **options)
    edge = SSIM_WINDOW // 2  # there torchmetrics has mirrored the images
    return similar[..., edge:-edge, edge:-edge].mean((1, 2, 3)).float()


def texture_distance(
    images: Tensor, target: Tensor, levels: int = 1, patches: int = 2048, projections: int = 128, seed: int = 0
) -> float:
    """How differently images and the true ones are textured, wherever the texture lies: needs no network.

    The sliced Wasserstein distance of patches of 7x7 pixels on the finest levels of a Laplacian pyramid, as in
    ``leyden.metrics.generated.sliced_wasserstein``, with one difference: both sets are scaled by the mean and the
    deviation of the true one. Scaled each by its own, as generated images are compared, an image without fine detail,
    blown up, would look like any other; here the lack of it is what counts.

    Args:
        images: (N, C, H, W) in 0..255.
        target: same shape and range.
        levels: of the pyramid that count, from the finest on; log2 of the scale are those that were lost.
        patches: of each image and level, at the same places in both sets.
        projections: random directions.
        seed: of places and directions.

    Returns:
        1000 times the distance, averaged over the levels; 0 where both agree.

    Raises:
        ValueError: the shapes differ.
    """
    _same_shape(images, target)
    distances = []
    places = [torch.Generator().manual_seed(seed) for _ in range(2)]  # the same for both
    pyramids = [laplacian_pyramid(which.float())[:levels] for which in (images, target)]
    for pair in zip(*pyramids, strict=True):
        found, true = (take_patches(level, patches, place) for level, place in zip(pair, places, strict=True))
        deviation, mean = torch.std_mean(true, dim=(0, 2, 3), keepdim=True, correction=0)
        found, true = (((some - mean) / deviation.clamp(min=1e-2)).flatten(1) for some in (found, true))
        distances.append(1000 * distance_of_projections(found, true, projections, seed))
    return sum(distances) / len(distances)


class Lpips(nn.Module):
    """Learned perceptual image patch similarity (Zhang et al. 2018), version 0.1, on SqueezeNet 1.1.

    Activations of seven layers, each cell's channels divided by their length; of both images' the squared difference,
    its channels weighted, averaged over the cells and summed over the layers (eq. 1). The weights are those that people
    taught; torchmetrics ships them, but would download the backbone's, so these are given.

    Args:
        state: ImageNet weights of torchvision's ``squeezenet1_1``, or of its ``features``.

    Raises:
        ValueError: weights of another network.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        self.features = squeezenet1_1().features
        own = self.features.state_dict()
        layers = {key.removeprefix("features."): value for key, value in state.items()}
        wrong = [key for key, value in own.items() if key not in layers or layers[key].shape != value.shape]
        if wrong:
            raise ValueError(f"LPIPS needs weights of squeezenet1_1: {len(wrong)} of {len(own)} tensors do not fit")
        self.features.load_state_dict({key: layers[key] for key in own})
        with (files("torchmetrics") / "functional/image/lpips_models/squeeze.pth").open("rb") as file:
            self.weights = nn.ParameterList(torch.load(file, map_location="cpu", weights_only=True).values())
        self.register_buffer("shift", torch.tensor(LPIPS_SHIFT).view(3, 1, 1))
        self.register_buffer("scale", torch.tensor(LPIPS_SCALE).view(3, 1, 1))
        self.requires_grad_(False).eval()

    @torch.no_grad()
    def forward(self, images: Tensor, target: Tensor) -> Tensor:
        """Distances (N,) from 0, the smaller the more alike to people, of two sets (N, 1 or 3, H, W) in 0..255."""
        _same_shape(images, target)
        pairs = zip(self._activations(images), self._activations(target), self.weights, strict=True)
        return torch.stack([F.conv2d((a - b) ** 2, weight).mean((1, 2, 3)) for a, b, weight in pairs]).sum(0)

    def _activations(self, images: Tensor) -> list[Tensor]:
        x = (images.float().expand(-1, 3, -1, -1) / 127.5 - 1 - self.shift) / self.scale
        found = []
        for number, layer in enumerate(self.features.eval()):
            x = layer(x)
            if number in LPIPS_LAYERS:
                found.append(x / (x.square().sum(1, keepdim=True) + 1e-8).sqrt())
        return found


def _compared(images: Tensor, target: Tensor, border: int, least: int) -> tuple[Tensor, Tensor]:
    """The lumas inside the border."""
    _same_shape(images, target)
    height, width = images.shape[-2:]
    if min(height, width) - 2 * border < least:
        raise ValueError(
            f"images of {width} x {height} pixels have fewer than {least} a side inside a border of {border}: "
            "take larger ones"
        )
    inside = slice(border, height - border), slice(border, width - border)
    a, b = (luma(which)[..., inside[0], inside[1]] for which in (images, target))
    return a, b


def _same_shape(images: Tensor, target: Tensor) -> None:
    if images.shape != target.shape:
        raise ValueError(f"images {tuple(images.shape)} and targets {tuple(target.shape)} differ in shape")
