"""Slant and width of bars whose moments are known."""

import math

import pytest
import torch
from torch import Tensor

from leyden.metrics.generated.strokes import slant_and_width


def bar(lean: int, wide: int) -> Tensor:
    """A bar of 9 rows in (1, 1, 32, 32) that goes ``lean`` pixels to the right with each row upwards."""
    image = torch.zeros(1, 1, 32, 32)
    for row in range(9):
        left = 14 + lean * (4 - row)
        image[0, 0, 10 + row, left : left + wide] = 200
    return image


@pytest.mark.parametrize("wide", [1, 3, 4])
@pytest.mark.parametrize("lean", [-1, 0, 1])
def test_bars(lean: int, wide: int) -> None:
    slant, width = slant_and_width(bar(lean, wide))
    assert slant.item() == pytest.approx(lean)
    assert width.item() == pytest.approx(math.sqrt((wide**2 - 1) / 12) / 32, abs=1e-8)


def test_neither_depends_on_place_or_brightness() -> None:
    image = bar(1, 3)
    moved = (image.roll((4, -2), (2, 3)) * 0.4).expand(1, 3, -1, -1)
    for one, other in zip(slant_and_width(image), slant_and_width(moved), strict=True):
        assert one.item() == pytest.approx(other.item())


def test_a_dark_image_has_neither() -> None:
    slant, width = slant_and_width(torch.cat([torch.zeros(1, 1, 32, 32), bar(0, 2)]))
    assert slant.isnan().tolist() == width.isnan().tolist() == [True, False]
