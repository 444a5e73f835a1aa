import math

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve
from torch import Tensor

from leyden.data.source.builtin.digits import Digits
from leyden.data.splits import Resized, decode
from leyden.metrics.generated.sliced_wasserstein import distance_of_projections, laplacian_pyramid, sliced_wasserstein


def reference_pyramid(images: np.ndarray) -> list[np.ndarray]:
    """As the authors of ProGAN compute it: scipy's convolution, mirrored edges, upsampling by zeros."""
    row = np.array([1, 4, 6, 4, 1], np.float64)
    kernel = np.outer(row, row)[None, None] / 256
    levels = []
    while images.shape[-1] >= 32:
        coarse = convolve(images, kernel, mode="mirror")[:, :, ::2, ::2]
        enlarged = np.zeros_like(images)
        enlarged[:, :, ::2, ::2] = coarse
        levels.append(images - convolve(enlarged, 4 * kernel, mode="mirror"))
        images = coarse
    return [*levels, images]


def reference_distance(real: Tensor, generated: Tensor, patches: int, projections: int) -> dict[int, float]:
    """Patch by patch and direction by direction, from the same random numbers; at most 256 images."""
    descriptors: list[list[np.ndarray]] = []
    for images in (real, generated):
        generator = torch.Generator().manual_seed(0)
        descriptors.append([])
        for level in reference_pyramid(images.double().numpy()):
            n, _, height, width = level.shape
            top = torch.randint(height - 6, (n, patches), generator=generator).tolist()
            left = torch.randint(width - 6, (n, patches), generator=generator).tolist()
            cut = [level[i, :, y : y + 7, x : x + 7] for i in range(n) for y, x in zip(top[i], left[i], strict=True)]
            stack = np.stack(cut)
            stack = (stack - stack.mean((0, 2, 3), keepdims=True)) / stack.std((0, 2, 3), keepdims=True)
            descriptors[-1].append(stack.reshape(len(stack), -1))
    found = {}
    for level, (a, b) in enumerate(zip(*descriptors, strict=True)):
        generator = torch.Generator().manual_seed(0)
        directions = torch.randn(projections, a.shape[1], generator=generator).double().numpy()
        distances = [np.abs(np.sort(a @ u) - np.sort(b @ u)).mean() / np.linalg.norm(u) for u in directions]
        found[real.shape[-1] >> level] = 1000 * float(np.mean(distances))
    return found


def random_images(seed: int, shape: tuple[int, ...]) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def digits() -> Tensor:
    return decode(Resized(Digits().split("train"), 32, 1)).columns.images


def test_equals_the_authors_code() -> None:
    first, second = random_images(0, (20, 3, 64, 64)), random_images(1, (20, 3, 64, 64)) // 2 + 50
    ours = sliced_wasserstein(first, second, patches=16, projections=100)
    assert list(ours) == [64, 32, 16]
    assert ours == pytest.approx(reference_distance(first, second, 16, 100), rel=1e-4)


@pytest.mark.parametrize("size", [16, 31, 32, 45, 64])
def test_the_authors_pyramid_at_any_size(size: int) -> None:
    images = random_images(0, (2, 3, size, size)).float()
    levels = laplacian_pyramid(images)
    assert 16 <= levels[-1].shape[-1] < 32
    for ours, theirs in zip(levels, reference_pyramid(images.double().numpy()), strict=True):
        assert torch.allclose(ours.double(), torch.from_numpy(theirs), atol=1e-3)


def test_shifted_gaussians_are_as_far_apart_as_the_closed_form_says() -> None:
    # Between N(0, I) and N(m, I) each projection is shifted by |u.m|.
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 4000, 49, generator=generator)
    shift = torch.linspace(-2, 2, 49)
    mean = math.gamma(49 / 2) / (math.sqrt(math.pi) * math.gamma(50 / 2))
    found = distance_of_projections(x, y + shift, projections=2000)
    assert found == pytest.approx(shift.norm().item() * mean, rel=0.05)


def test_equal_images_have_distance_zero(digits: Tensor) -> None:
    assert sliced_wasserstein(digits[:100], digits[:100], 16, 32) == {32: 0, 16: 0}
    dim = sliced_wasserstein(digits[:100], digits[:100] // 2 + 10, 16, 32)
    assert max(dim.values()) < 15  # what rounding to whole grey levels does


def test_grain_shows_in_the_fine_level(digits: Tensor) -> None:
    real, fresh = digits[:300], digits[300:600]
    noise = random_images(0, real.shape)
    grainy = fresh // 2 + 60 + noise // 8
    floor, grain, all_noise = (sliced_wasserstein(real, images, 32, 128) for images in (fresh, grainy, noise))
    assert grain[32] > 5 * floor[32]
    assert grain[16] < 2 * floor[16]
    assert min(all_noise[level] / floor[level] for level in (32, 16)) > 5


def test_repeatable_whatever_the_global_state() -> None:
    first, second = random_images(0, (300, 1, 16, 16)), random_images(1, (300, 1, 16, 16))
    torch.manual_seed(1)
    once = sliced_wasserstein(first, second, 8, 16)
    torch.manual_seed(2)
    assert sliced_wasserstein(first, second, 8, 16) == once
    assert sliced_wasserstein(first, second, 8, 16, seed=1) != once


def test_black_images_have_a_finite_distance(digits: Tensor) -> None:
    found = sliced_wasserstein(digits[:50], torch.zeros_like(digits[:50]), 16, 32)
    assert all(100 < value < 2000 for value in found.values())


@pytest.mark.parametrize(
    ("shape", "message"),
    [((5, 1, 16, 16), r"two equal numbers of equal images, got \(4, 1, 16, 16\)"), ((4, 1, 12, 12), "16 pixels")],
)
def test_bad_sets_are_refused(shape: tuple[int, ...], message: str) -> None:
    generated = random_images(0, shape)
    real = generated if "pixels" in message else random_images(0, (4, 1, 16, 16))
    with pytest.raises(ValueError, match=message):
        sliced_wasserstein(real, generated)
