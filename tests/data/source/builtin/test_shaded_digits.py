import pytest
import torch

from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.shaded_digits import ShadedDigits


def test_pixels_are_scaled_and_shaded_from_left_to_right() -> None:
    plain, shaded = Digits().split("test").columns, ShadedDigits(0.5, 0.25).split("test").columns
    assert torch.equal(plain.labels, shaded.labels)
    ramp = torch.arange(8) * 255 / 7
    expected = (0.5 * plain.images + 0.25 * ramp).round()
    assert torch.equal(shaded.images, expected.to(torch.uint8))
    assert shaded.images.shape == plain.images.shape


@pytest.mark.parametrize("numbers", [(0.0, 0.5), (1.1, 0.0), (0.5, 0.6), (0.5, -0.1)])
def test_what_leaves_the_range_of_pixels_is_refused(numbers: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="contrast above 0"):
        ShadedDigits(*numbers)
