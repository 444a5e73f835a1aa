"""Digits and tables drawn with a bias, and digits out of focus."""

import pytest
import torch

from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.surfaces import Surfaces
from leyden.data.source.builtin.tables import Tables
from leyden.data.source.shifted.biased_digits import BiasedDigits
from leyden.data.source.shifted.biased_tables import BiasedTables
from leyden.data.source.shifted.blurred_digits import BlurredDigits
from leyden.data.source.shifted.selection_bias import biased_draw
from leyden.data.source.shifted.worn_surfaces import CAST, WornSurfaces, worn


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


def test_a_worn_camera_blurs_colours_and_adds_noise() -> None:
    grey = torch.full((2, 3, 16, 16), 100, dtype=torch.uint8)
    grey[:, :, :, 8:] = 200
    still = worn(grey, blur=0.0, noise=0.0, generator=torch.Generator())
    assert still[0, :, 0, 0].tolist() == [round(100 * part) for part in CAST]
    blurred = worn(grey, blur=1.5, noise=0.0, generator=torch.Generator())[0, 0, 8].float()
    assert 0 < float(blurred.diff().max()) < 40  # the edge of 100 is spread out
    noisy = worn(grey, blur=0.0, noise=10.0, generator=torch.Generator().manual_seed(0))
    assert float((noisy.float() - still.float()).std()) == pytest.approx(10, rel=0.1)


def test_worn_surfaces_keep_classes_and_draw_other_patches() -> None:
    source, target = Surfaces(16, train=2, val=1, test=1), WornSurfaces(16, blur=0.0, noise=0.0, train=2, val=1, test=1)
    images, labels = target.split("train").columns
    assert images.shape == (18, 3, 16, 16)
    assert torch.equal(labels, source.split("train").columns.labels)
    assert not torch.equal(images[:, 0], source.split("train").columns.images[:, 0])
    assert torch.equal(images, target.split("train").columns.images)  # the same each time
    with pytest.raises(ValueError, match=r"blur=-1 and noise=0 should be 0 or more"):
        WornSurfaces(blur=-1, noise=0)
