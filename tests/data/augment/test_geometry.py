"""Crops, turns and mirror images: places in a view are places in its image."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from leyden.data.augment.geometry import DRAWS, places, random_affine, resample

IMAGE = torch.arange(64.0).view(1, 1, 8, 8)


def numbers(**chosen: float) -> Tensor:
    """One view's numbers: in the middle but for those that are given."""
    names = ("area", "ratio", "across", "down", "turn", "shear", "mirror")
    return torch.tensor([[chosen.get(name, 0.5 if name != "mirror" else 0.9) for name in names]])


def test_whole_image_is_itself() -> None:
    assert torch.equal(resample(IMAGE, random_affine(numbers(), (1.0, 1.0))), IMAGE)


def test_quarter_area_is_the_middle() -> None:
    theta = random_affine(numbers(), (0.25, 0.25))
    assert theta[0].tolist() == [[0.5, 0, 0], [0, 0.5, 0]]
    enlarged = resample(IMAGE, theta)
    assert enlarged.mean() == pytest.approx(IMAGE[:, :, 2:6, 2:6].mean().item())


@pytest.mark.parametrize("place", [0.0, 0.25, 1.0])
def test_crops_lie_inside(place: float) -> None:
    theta = random_affine(numbers(across=place, down=1 - place, ratio=0.9), (0.3, 0.3))[0]
    for row in (0, 1):
        assert theta[row, 2].abs() + theta[row, row] <= 1 + 1e-6
    assert theta[0, 0] * theta[1, 1] == pytest.approx(0.3, rel=1e-5)
    assert theta[0, 0] / theta[1, 1] == pytest.approx((4 / 3) ** 0.8, rel=1e-5)


def test_mirror_and_quarter_turn_are_exact() -> None:
    mirrored = resample(IMAGE, random_affine(numbers(mirror=0.1), (1.0, 1.0), flip=True))
    torch.testing.assert_close(mirrored, IMAGE.flip(3))
    turned = resample(IMAGE, random_affine(numbers(turn=1.0), (1.0, 1.0), degrees=90))
    torch.testing.assert_close(turned, IMAGE.rot90(1, (2, 3)), rtol=0, atol=1e-4)


def test_places_are_those_of_affine_grid() -> None:
    theta = torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(0))
    wanted = F.affine_grid(theta, [5, 1, 4, 7], align_corners=False)
    torch.testing.assert_close(places(theta, 4, 7), wanted, rtol=0, atol=1e-6)


def test_shear_moves_rows_only() -> None:
    theta = random_affine(numbers(shear=1.0), (1.0, 1.0), shear=45)[0]
    torch.testing.assert_close(theta, torch.tensor([[1.0, 1, 0], [0, 1, 0]]))


def test_areas_are_uniform_and_ratios_log_uniform() -> None:
    u = torch.rand(4000, DRAWS, generator=torch.Generator().manual_seed(0))
    theta = random_affine(u, (0.2, 0.6))
    areas = theta[:, 0, 0] * theta[:, 1, 1]
    ratios = (theta[:, 0, 0] / theta[:, 1, 1]).log()
    assert areas.mean() == pytest.approx(0.4, abs=0.01)
    assert (areas.min(), areas.max()) == (pytest.approx(0.2, abs=0.01), pytest.approx(0.6, abs=0.01))
    assert ratios.abs().max() == pytest.approx(math.log(4 / 3), abs=0.01)
    assert ratios.mean() == pytest.approx(0, abs=0.01)
