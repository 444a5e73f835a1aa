"""Resampling against its definition: zeros between the pixels, a convolution written as sums, every second pixel."""

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional as F

from leyden.gan.noise_to_image.stylegan.resampling import (
    down_convolution,
    downsample,
    fir_kernel,
    up_convolution,
    upsample,
)

TAPS = [(1.0, 3.0, 3.0, 1.0), (1.0, 2.0, 1.0), (1.0, 2.0, 4.0, 3.0)]


def zeros_between(images: Tensor) -> Tensor:
    count, channels, height, width = images.shape
    spread = images.new_zeros(count, channels, 2 * height, 2 * width)
    spread[:, :, ::2, ::2] = images
    return spread


def convolved(images: Tensor, kernel: Tensor, before: int, behind: int) -> Tensor:
    """sum_k kernel[k] x[n - k] at each place, one tap after the other."""
    padded, taps = F.pad(images, (before, behind, before, behind)), len(kernel)
    height, width = (side - taps + 1 for side in padded.shape[2:])
    total = images.new_zeros(*images.shape[:2], height, width)
    for i in range(taps):
        for j in range(taps):
            total += kernel[taps - 1 - i, taps - 1 - j] * padded[:, :, i : i + height, j : j + width]
    return total


@pytest.mark.parametrize("taps", TAPS)
def test_up_and_down_are_the_definition(taps: tuple[float, ...]) -> None:
    images, kernel = torch.randn(2, 3, 6, 4, dtype=torch.double), fir_kernel(taps).double()
    expected = convolved(zeros_between(images), 4 * kernel, (len(taps) + 1) // 2, (len(taps) - 2) // 2)
    torch.testing.assert_close(upsample(images, kernel), expected)
    expected = convolved(images, kernel, (len(taps) - 1) // 2, (len(taps) - 2) // 2)[:, :, ::2, ::2]
    torch.testing.assert_close(downsample(images, kernel), expected)


@pytest.mark.parametrize("taps", TAPS)
def test_resampled_convolutions_are_the_definition(taps: tuple[float, ...]) -> None:
    """All is linear, so the 3x3 weights may come before or behind the filter, on enough zeros around the image."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 3, 6, 6, dtype=torch.double, generator=generator)
    weight, kernel = torch.randn(5, 3, 3, 3, dtype=torch.double, generator=generator), fir_kernel(taps).double()
    more = (len(taps) + 1) // 2 + 1, (len(taps) - 2) // 2 + 1
    expected = F.conv2d(convolved(zeros_between(images), 4 * kernel, *more), weight)
    torch.testing.assert_close(up_convolution(images, weight, kernel), expected)
    more = (len(taps) - 1) // 2 + 1, (len(taps) - 2) // 2 + 1
    expected = F.conv2d(convolved(images, kernel, *more), weight)[:, :, ::2, ::2]
    torch.testing.assert_close(down_convolution(images, weight, kernel), expected)


def test_flat_images_stay_flat_inside() -> None:
    ones, kernel = torch.ones(1, 1, 8, 8), fir_kernel()
    assert kernel.sum() == 1
    torch.testing.assert_close(upsample(ones, kernel)[:, :, 1:-1, 1:-1], torch.ones(1, 1, 14, 14))
    torch.testing.assert_close(downsample(ones, kernel)[:, :, 1:-1, 1:-1], torch.ones(1, 1, 2, 2))


@pytest.mark.parametrize("convolution", [up_convolution, down_convolution])
def test_second_derivatives_exist(convolution) -> None:
    images = torch.randn(1, 2, 4, 4, dtype=torch.double, requires_grad=True)
    weight = torch.randn(2, 2, 3, 3, dtype=torch.double, requires_grad=True)
    kernel = fir_kernel().double()
    assert gradcheck(lambda *x: convolution(*x, kernel), (images, weight))
    assert gradgradcheck(lambda *x: convolution(*x, kernel), (images, weight))
