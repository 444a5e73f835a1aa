"""Rectangles with factors that can be measured on the images again."""

import pytest
import torch
from torch import Tensor

from leyden.data.source.scenes.rectangles import BLUE, FACTORS, ORANGE, Rectangles, draw
from leyden.data.source.targets import HasTargets


def one(**values: float) -> Tensor:
    """An image (3, 64, 64) in 0..1; at colour 1 the ground has no blue."""
    factors = {"colour": 1.0, "x": 0.5, "y": 0.5, "size": 0.3, "aspect": 0.5} | values
    return draw(**{name: torch.tensor([value]) for name, value in factors.items()}, side=64)[0].double() / 255


@pytest.mark.parametrize("aspect", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("size", [0.2, 0.38])
def test_the_area_says_nothing_of_the_aspect(aspect: float, size: float) -> None:
    ink = one(aspect=aspect, size=size)[2]
    assert ink.sum().item() == pytest.approx((64 * size) ** 2, rel=0.01)
    width, height = ink.sum(1).max().item(), ink.sum(0).max().item()
    assert width / height == pytest.approx(2.5 ** (2 * aspect - 1), rel=0.01)


def test_the_centre_is_where_the_factors_say() -> None:
    ink = one(x=0.4, y=0.55, aspect=0.8)[2]
    middle = (torch.arange(64) + 0.5) / 64
    assert ((ink.sum(0) * middle).sum() / ink.sum()).item() == pytest.approx(0.4, abs=0.002)
    assert ((ink.sum(1) * middle).sum() / ink.sum()).item() == pytest.approx(0.55, abs=0.002)


def test_grounds_lie_between_blue_and_orange() -> None:
    middle = tuple((a + b) / 2 for a, b in zip(BLUE, ORANGE, strict=True))
    for colour, rgb in {0.0: BLUE, 0.5: middle, 1.0: ORANGE}.items():
        assert one(colour=colour)[:, 2, 2].tolist() == pytest.approx(rgb, abs=0.003)


def test_factors_are_drawn_independently() -> None:
    source = Rectangles(image_size=16, train=4000, val=10, test=20)
    assert isinstance(source, HasTargets)
    targets = source.targets("train")
    assert list(targets) == FACTORS
    columns = torch.stack([target.values for target in targets.values()])
    assert (torch.corrcoef(columns) - torch.eye(5)).abs().max() < 0.05
    spread = columns.std(1)
    assert spread[1].item() == pytest.approx(2 * spread[2].item(), rel=0.05)


def test_each_rectangle_lies_within_the_image() -> None:
    images = Rectangles(train=600, val=10, test=20).split("train").columns.images
    edge = torch.cat([images[..., 0, :], images[..., -1, :], images[..., 0], images[..., -1]], -1)
    assert torch.equal(edge, edge[..., :1].expand_as(edge))


def test_splits_are_draws_of_their_own_and_stay() -> None:
    one, again, other = (Rectangles(train=20, val=20, test=20, seed=seed) for seed in (0, 0, 1))
    train = one.split("train").columns.images
    assert torch.equal(train, again.split("train").columns.images)
    for images in (one.split("val").columns.images, other.split("train").columns.images):
        assert not torch.equal(train, images)


@pytest.mark.parametrize(
    ("values", "words"),
    [({"largest": 0.6}, "largest <= 0.5, got smallest=0.2, largest=0.6"), ({"val": 0}, "an image or more, got")],
)
def test_values_that_do_not_fit_are_refused(values: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Rectangles(**values)
