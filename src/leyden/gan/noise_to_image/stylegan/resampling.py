"""Resampling of images by two with a finite impulse response (FIR) filter, by convolutions of plain torch.

Upsampling puts a zero behind every pixel and convolves; downsampling convolves and keeps every second pixel (Karras et
al. 2020, appendix B; Zhang 2019, "Making Convolutional Networks Shift-Invariant Again"). Pixels beyond the edge are 0.
A transposed convolution with stride 2 is the former, a convolution with stride 2 the latter, so no zero is ever
multiplied, and both have gradients of any order.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

BINOMIAL = (1.0, 3.0, 3.0, 1.0)
"""The taps of StyleGAN2's filter."""


def fir_kernel(taps: tuple[float, ...] = BINOMIAL) -> Tensor:
    """The separable filter (K, K) of ``taps``, which sums to 1."""
    line = torch.tensor(taps)
    return torch.outer(line, line) / line.sum().square()


def blur(images: Tensor, kernel: Tensor, padding: tuple[int, int], gain: float = 1.0, stride: int = 1) -> Tensor:
    """Convolves each channel with the kernel.

    Args:
        images: (N, C, H, W).
        kernel: (K, K).
        padding: zeros before and behind the rows and columns.
        gain: factor of the result.
        stride: every so manyth pixel is kept.

    Returns:
        (N, C, (H + sum(padding) - K) // stride + 1, likewise).
    """
    if padding[0] != padding[1]:
        images, padding = F.pad(images, (*padding, *padding)), (0, 0)
    weight = (kernel * gain).flip(0, 1).expand(images.shape[1], 1, -1, -1)
    return F.conv2d(images, weight, padding=padding[0], stride=stride, groups=images.shape[1])


def downsample(images: Tensor, kernel: Tensor) -> Tensor:
    """(N, C, H / 2, W / 2): blurred, then every second pixel of images (N, C, H, W)."""
    taps = len(kernel)
    return blur(images, kernel, ((taps - 1) // 2, (taps - 2) // 2), stride=2)


def upsample(images: Tensor, kernel: Tensor) -> Tensor:
    """(N, C, 2 H, 2 W): images (N, C, H, W) with zeros between, blurred, four times as strong."""
    height, width = images.shape[2:]
    weight = (4 * kernel).expand(images.shape[1], 1, -1, -1)
    whole = F.conv_transpose2d(images, weight, stride=2, groups=images.shape[1])
    start = (len(kernel) - 2) // 2
    return whole[:, :, start : start + 2 * height, start : start + 2 * width]


def up_convolution(images: Tensor, weight: Tensor, kernel: Tensor) -> Tensor:
    """Convolution of images that are upsampled on the way: zeros between the pixels, 3x3 weights, blur.

    Args:
        images: (N, C, H, W).
        weight: (D, C, 3, 3), as ``torch.nn.functional.conv2d`` takes it.
        kernel: (K, K).

    Returns:
        (N, D, 2 H, 2 W).
    """
    taps = len(kernel)
    maps = F.conv_transpose2d(images, weight.flip(2, 3).transpose(0, 1), stride=2)
    return blur(maps, kernel, ((taps + 1) // 2 - 1, (taps - 2) // 2), gain=4)


def down_convolution(images: Tensor, weight: Tensor, kernel: Tensor) -> Tensor:
    """Convolution of images that are downsampled on the way: blur, then 3x3 weights with stride 2.

    Args:
        images: (N, C, H, W), H and W even.
        weight: (D, C, 3, 3).
        kernel: (K, K).

    Returns:
        (N, D, H / 2, W / 2).
    """
    taps = len(kernel)
    maps = blur(images, kernel, ((taps - 1) // 2 + 1, (taps - 2) // 2 + 1))
    return F.conv2d(maps, weight, stride=2)
