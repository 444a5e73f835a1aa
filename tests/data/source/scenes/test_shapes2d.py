"""Shapes with factors that can be measured on the images again."""

import pytest
import torch
from torch import Tensor

from leyden.data.source.scenes.shapes2d import BLUE, GROUND, ORANGE, SHAPES, Shapes2d, draw
from leyden.data.source.targets import HasTargets


def one(**values: float) -> Tensor:
    """An image (3, 64, 64)."""
    factors = {"shape": 0, "colour": 0.0, "x": 0.5, "y": 0.5, "size": 0.3} | values
    return draw(*(torch.tensor([value]) for value in factors.values()), side=64)[0].double()


def opacity(image: Tensor) -> Tensor:
    """How much of each pixel (H, W) a blue shape covers."""
    ground = image[2, 0, 0]
    assert ground.item() == pytest.approx(255 * GROUND, abs=0.5)
    return (image[2] - ground) / (255 * BLUE[2] - ground)


@pytest.mark.parametrize("shape", range(3))
@pytest.mark.parametrize("size", [0.2, 0.38])
def test_shapes_of_one_size_have_one_area(shape: int, size: float) -> None:
    ink = opacity(one(shape=shape, size=size))
    assert ink.sum().item() == pytest.approx((64 * size) ** 2, rel=0.02)


@pytest.mark.parametrize("shape", range(3))
def test_the_centre_is_where_the_factors_say(shape: int) -> None:
    ink = opacity(one(shape=shape, x=0.4, y=0.55))
    middle = (torch.arange(64) + 0.5) / 64
    assert ((ink.sum(0) * middle).sum() / ink.sum()).item() == pytest.approx(0.4, abs=0.005)
    assert ((ink.sum(1) * middle).sum() / ink.sum()).item() == pytest.approx(0.55, abs=0.005)


def test_colours_lie_between_blue_and_orange() -> None:
    for colour, rgb in {0.0: BLUE, 1.0: ORANGE}.items():
        assert (one(colour=colour)[:, 32, 32] / 255).tolist() == pytest.approx(rgb, abs=0.003)
    assert (one(colour=0.5)[:, 32, 32] / 255).tolist() == pytest.approx(
        [(a + b) / 2 for a, b in zip(BLUE, ORANGE, strict=True)], abs=0.003
    )


def test_factors_are_drawn_independently() -> None:
    source = Shapes2d(image_size=16, train=4000, val=10, test=20)
    assert isinstance(source, HasTargets)
    targets = source.targets("train")
    assert list(targets) == ["shape", "colour", "x", "y", "size"]
    columns = torch.stack([target.values.float() for target in targets.values()])
    assert (torch.corrcoef(columns) - torch.eye(5)).abs().max() < 0.05
    assert torch.bincount(targets["shape"].values).min() > 1200


def test_each_shape_lies_within_the_image() -> None:
    images = Shapes2d(train=600, val=10, test=20).split("train").columns.images
    edge = torch.cat([images[..., 0, :], images[..., -1, :], images[..., 0], images[..., -1]], -1)
    assert torch.equal(edge, edge[..., :1].expand_as(edge))


def test_splits_are_draws_of_their_own_and_stay() -> None:
    one, again, other = (Shapes2d(train=20, val=20, test=20, seed=seed) for seed in (0, 0, 1))
    train = one.split("train").columns
    assert torch.equal(train.images, again.split("train").columns.images)
    assert torch.equal(train.labels, one.targets("train")["shape"].values)
    assert one.class_names == SHAPES
    for images in (one.split("val").columns.images, other.split("train").columns.images):
        assert not torch.equal(train.images, images)


@pytest.mark.parametrize(
    ("values", "words"),
    [({"largest": 0.6}, "largest <= 0.5, got smallest=0.16, largest=0.6"), ({"val": 0}, "an image or more, got")],
)
def test_values_that_do_not_fit_are_refused(values: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Shapes2d(**values)
