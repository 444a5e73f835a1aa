"""Holes: their sizes, their places to the last row and column, the same ones in every evaluation."""

import pytest
import torch
from torch import Tensor

from leyden.data.batches.gan.completion.holes import Holes, MakeHoles, squares, strokes
from leyden.data.columns import Images
from leyden.data.source.builtin.digits import Digits


def made(hole: str, count: int = 500, side: int = 16, **values) -> Tensor:
    make = MakeHoles(hole, **{"smallest": 0.25, "largest": 0.5, "thickness": 0.125, **values})
    u = torch.rand(count, make.draws, generator=torch.Generator().manual_seed(0))
    return make(Images(torch.zeros(count, 1, side, side, dtype=torch.uint8)), u).holes


def sides(holes: Tensor) -> tuple[Tensor, Tensor]:
    """Heights and widths of what is true."""
    return holes.any(3).sum((1, 2)), holes.any(2).sum((1, 2))


@pytest.mark.parametrize("hole", ["centre", "block"])
def test_squares_are_whole_and_as_large_as_asked(hole: str) -> None:
    holes = made(hole)
    height, width = sides(holes)
    assert torch.equal(height, width)
    assert torch.equal(height * width, holes.sum((1, 2, 3)))
    assert set(height.tolist()) == {4, 5, 6, 7, 8}


def test_centre_is_the_middle() -> None:
    (hole,) = made("centre", 1, smallest=0.5)[0]
    assert hole[4:12, 4:12].all()
    assert hole.sum() == 64


@pytest.mark.parametrize("hole", ["block", "strokes", "mixed"])
def test_random_holes_reach_every_pixel(hole: str) -> None:
    assert made(hole, 1000).any(0).all()


def test_first_and_last_place_are_as_likely() -> None:
    holes = made("block", 4000, smallest=0.5, largest=0.5)[:, 0]
    first, last = holes[:, 0].any(1).float().mean(), holes[:, -1].any(1).float().mean()
    assert first.item() == pytest.approx(1 / 9, abs=0.02)
    assert last.item() == pytest.approx(1 / 9, abs=0.02)


def test_a_draw_of_one_stays_inside() -> None:
    hole = squares(torch.tensor([3.0]), torch.ones(1, 2), 8, 10)[0, 0]
    assert hole[5:, 7:].all()
    assert hole.sum() == 9


def test_strokes_are_as_thick_as_asked() -> None:
    line = torch.tensor([[[0.5, 0.0], [0.5, 1.0]]])
    assert strokes(line, 4, 16, 20)[0, 0, :, 10].nonzero().flatten().tolist() == [6, 7, 8, 9]
    assert strokes(torch.full((1, 4, 2), 0.3), 0.01, 16, 16).sum() >= 1


def test_mixed_has_all_three() -> None:
    height, width = sides(made("mixed", 600, smallest=0.25, largest=0.25))
    area = made("mixed", 600, smallest=0.25, largest=0.25).sum((1, 2, 3))
    squared = (height == 4) & (width == 4) & (area == 16)
    assert squared.float().mean().item() == pytest.approx(2 / 3, abs=0.08)


def new(**values) -> Holes:
    return Holes(Digits(), 16, batch_size=8, **values)


def test_evaluation_has_the_same_holes_always() -> None:
    one, other = (next(iter(new(seed=seed).test_dataloader())) for seed in (1, 2))
    assert torch.equal(one.holes, other.holes)
    assert torch.equal(one.images, new().split("test").columns.images[: len(one.images)])


def test_training_has_new_holes_in_each_epoch() -> None:
    loader = new().train_dataloader()
    sums = [torch.cat([batch.holes for batch in loader]).float().mean(0) for _ in range(2)]
    assert not torch.equal(*sums)


def test_flip_is_of_training_alone() -> None:
    images = torch.arange(32, dtype=torch.uint8).view(2, 1, 4, 4)
    make = MakeHoles("centre", 0.3, 0.4, 0.1, flip=True)
    u = torch.full((2, make.draws), 0.7)
    u[0, 0] = 0.2
    assert torch.equal(make(Images(images), u).images, torch.stack([images[0].flip(-1), images[1]]))
    assert new(flip=True).val_dataloader().augment.flip is False


@pytest.mark.parametrize(("hole", "size"), [("centre", 0.4), ("block", 0.4), ("strokes", 1.0), ("mixed", 1.0)])
def test_models_learn_how_wide_holes_are(hole: str, size: float) -> None:
    assert new(hole=hole).spec == {"channels": 1, "image_size": 16, "hole_size": size}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hole": "round"}, "one of centre, block"),
        ({"smallest": 0.5}, "smallest <= largest"),
        ({"largest": 1.0}, "< 1"),
    ],
)
def test_holes_that_do_not_fit_are_refused(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        new(**values)
