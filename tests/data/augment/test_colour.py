"""Colour, blur and noise against torchvision's, and what may not change."""

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from leyden.data.augment.colour import LUMA, TILE, blur, jitter, noise

IMAGES = torch.rand(3, 3, 12, 12, generator=torch.Generator().manual_seed(0)) * 0.4 + 0.3


def numbers(*chosen: float) -> Tensor:
    return torch.tensor([chosen]).repeat(3, 1)


def test_brightness_and_contrast_are_torchvisions() -> None:
    changed = jitter(IMAGES, numbers(0, 0.75, 0.25, 0.5, 0.5, 0.9), 0.5)  # 1.2 times as bright, contrast 0.8
    wanted = F.adjust_contrast(F.adjust_brightness(IMAGES, 1.2), 0.8)
    torch.testing.assert_close(changed, wanted, rtol=0, atol=2e-4)
    grey = F.rgb_to_grayscale(IMAGES)
    changed = jitter(grey, numbers(0, 0.75, 0.25, 0.5, 0.5, 0.9), 0.5)
    torch.testing.assert_close(changed, F.adjust_contrast(F.adjust_brightness(grey, 1.2), 0.8), rtol=0, atol=2e-4)


def test_saturation_is_torchvisions() -> None:
    changed = jitter(IMAGES, numbers(0, 0.5, 0.5, 0.25, 0.5, 0.9), 0.5)
    torch.testing.assert_close(changed, F.adjust_saturation(IMAGES, 0.8), rtol=0, atol=1e-3)
    without = jitter(IMAGES, numbers(0.9, 0.5, 0.5, 0.5, 0.5, 0.1), 0.5, grey=0.2)
    torch.testing.assert_close(without, F.rgb_to_grayscale(IMAGES, 3), rtol=0, atol=1e-3)


def test_hue_keeps_the_grey_value() -> None:
    changed = jitter(IMAGES, numbers(0, 0.5, 0.5, 0.5, 0.8, 0.9), 0.5)
    assert not torch.allclose(changed, IMAGES, atol=0.01)
    luma = torch.tensor(LUMA)[:, None, None]
    torch.testing.assert_close((changed * luma).sum(1), (IMAGES * luma).sum(1), rtol=0, atol=1e-3)


def test_some_stay_as_they_are() -> None:
    unchanged = jitter(IMAGES, numbers(0.81, 0, 1, 0, 1, 0.9), 1.0)
    torch.testing.assert_close(unchanged, IMAGES, rtol=0, atol=1e-6)
    assert torch.equal(blur(IMAGES, numbers(0.6, 0.5), 0.5), IMAGES)


@pytest.mark.parametrize("side", [12, 64])
def test_blur_is_torchvisions(side: int) -> None:
    images = torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(1))
    sigma, taps = (0.1 + 1.9 * 0.75) * max(0.5, side / 224), 2 * max(1, round(side / 20)) + 1
    wanted = F.gaussian_blur(images, [taps, taps], [sigma, sigma])
    torch.testing.assert_close(blur(images, numbers(0.1, 0.75), 0.5), wanted, rtol=0, atol=1e-5)


def test_blur_is_of_some() -> None:
    u = torch.tensor([[0.6, 0.75], [0.1, 0.75], [0.6, 0.75]])
    changed = blur(IMAGES, u, 0.5)
    assert torch.equal(changed[[0, 2]], IMAGES[[0, 2]])
    torch.testing.assert_close(changed[1:2], blur(IMAGES[1:2], u[1:2], 0.5))
    assert not torch.allclose(changed[1], IMAGES[1], atol=0.01)


def test_noise_is_normal_and_repeats() -> None:
    grey = torch.full((200, 1, 8, 8), 0.5)
    u = torch.rand(200, 2, generator=torch.Generator().manual_seed(0))
    found = noise(grey, u, 0.1)
    assert (found - grey).std() == pytest.approx(0.1, rel=0.05)
    assert torch.equal(found, noise(grey, u, 0.1))
    assert not torch.equal(found[0], found[1])
    last = noise(grey[:1], torch.tensor([[1 - 1e-6, 1 - 1e-6]]), 0.1)  # a window around the tile's corner
    first = noise(grey[:1], torch.tensor([[0.0, 0.0]]), 0.1)
    assert torch.equal(last[..., 1:, 1:], first[..., :-1, :-1])
    assert noise(torch.zeros(1, 3, TILE + 40, TILE + 40), u[:1], 0.1).shape[-1] == TILE + 40  # larger than the tile
