"""Colourfulness of Hasler and Suesstrunk on scikit-image's photographs."""

import pytest
import torch

from leyden.data.source.builtin.image_patches import read_photograph
from leyden.metrics.generated.colourfulness import colourfulness


@pytest.mark.parametrize(("name", "value"), [("astronaut", 72.605), ("coffee", 76.918), ("chelsea", 37.957)])
def test_photographs_are_as_colourful_as_measured(name: str, value: float) -> None:
    assert colourfulness(read_photograph(f"{name}.png")[None]).item() == pytest.approx(value, abs=0.001)


def test_grey_has_no_colour() -> None:
    grey = torch.randint(0, 256, (2, 1, 8, 8)).expand(-1, 3, -1, -1)
    assert colourfulness(grey).tolist() == [0, 0]


def test_one_colour_is_its_distance_from_grey() -> None:
    """Without spread 0.3 sqrt(rg^2 + yb^2)."""
    red = torch.tensor([255.0, 0, 0]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    assert colourfulness(red).item() == pytest.approx(0.3 * (255**2 + 127.5**2) ** 0.5)
