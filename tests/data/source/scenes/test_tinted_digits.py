"""Digits in the colour of their class: what a grey copy says, and what not."""

import pytest
import torch

from leyden.data.colour_space import to_lab
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.scenes.tinted_digits import CHROMA, LIGHTNESS, TintedDigits, tint


def test_lightness_is_the_ink_s_whatever_the_class() -> None:
    ink = torch.arange(256, dtype=torch.uint8).view(1, 1, 1, 256).expand(10, -1, -1, -1)
    lightness, _ = to_lab(tint(ink, torch.arange(10)))
    expected = (LIGHTNESS * ink[:1] / 255).expand_as(lightness)
    torch.testing.assert_close(lightness, expected, rtol=0, atol=0.6)  # a step of 8 bits


def test_hue_is_the_class() -> None:
    full = torch.full((10, 1, 1, 1), 255, dtype=torch.uint8)
    a, b = to_lab(tint(full, torch.arange(10)))[1].flatten(1).unbind(1)
    assert torch.hypot(a, b).tolist() == pytest.approx([CHROMA] * 10, abs=1)
    hue = torch.rad2deg(torch.atan2(b, a)) % 360
    assert hue.tolist()[1:] == pytest.approx([36 * label for label in range(1, 10)], abs=1.5)


def test_digits_keep_their_splits() -> None:
    source, digits = TintedDigits("digits"), Digits()
    assert (source.image_size, source.class_names) == (8, digits.class_names)
    for stage in ("train", "val", "test"):
        images, labels = source.split(stage).columns
        assert images.shape[1:] == (3, 8, 8)
        assert torch.equal(labels, digits.split(stage).columns.labels)


def test_other_handwriting_is_refused() -> None:
    with pytest.raises(ValueError, match="there are digits, mnist_5000"):
        TintedDigits("letters")
