"""Digits and tables drawn with a bias, and digits out of focus."""

import pytest
import torch

from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.tables import Tables
from leyden.data.source.shifted.biased_digits import BiasedDigits
from leyden.data.source.shifted.biased_tables import BiasedTables
from leyden.data.source.shifted.blurred_digits import BlurredDigits
from leyden.data.source.shifted.selection_bias import biased_draw


def test_a_bias_moves_the_first_component() -> None:
    x = torch.randn(500, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([5.0, 1, 1])
    means = [float(x[biased_draw(x, 100, strength, 0), 0].mean()) for strength in (0.0, 2.0)]
    assert abs(means[0]) < 1.0
    assert abs(means[1]) > 4.0
    chosen = biased_draw(x, 100, 2.0, 0)
    assert len(chosen.unique()) == 100
    assert not torch.equal(chosen, biased_draw(x, 100, 2.0, 1))
    with pytest.raises(ValueError, match="there are 1 to 500 training examples"):
        biased_draw(x, 501, 2.0, 0)


def test_biased_digits_are_digits() -> None:
    source, whole = BiasedDigits(100), Digits()
    images = source.split("train").columns.images.flatten(1)
    assert len(images) == 100
    assert all((row == whole.split("train").columns.images.flatten(1)).all(1).any() for row in images[:5])
    assert len(source.split("test")) == len(whole.split("test"))
    assert len(source.split("val")) == 17
    with pytest.raises(ValueError, match=r"strength=-1: should be 0 or more"):
        BiasedDigits(strength=-1)


def test_biased_tables_leave_the_test() -> None:
    source, whole = BiasedTables("breast_cancer", 50), Tables("breast_cancer")
    assert [len(source.split(stage)) for stage in ("train", "val")] == [50, 8]
    torch.testing.assert_close(source.split("test").columns.rows, whole.split("test").columns.rows)


def test_a_blur_keeps_the_mean_of_what_lies_inside() -> None:
    sharp, blurred = (source.split("test").columns.images.float() for source in (Digits(), BlurredDigits()))
    expected = sharp[:, :, 2:5, 2:5].mean((2, 3))
    torch.testing.assert_close(blurred[:, :, 3, 3], expected, atol=0.51, rtol=0)
