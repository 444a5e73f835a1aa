import math

import torch

from leyden.report.panels import Bar, draw_panels


def blue(drawn: torch.Tensor) -> int:
    """Pixels of the first colour's hue."""
    red, green, blue = drawn.int()
    return int(((blue > 150) & (red < 80) & (green < 160)).sum())


def test_bars_are_as_high_as_their_values_on_one_scale() -> None:
    both = {"left": [Bar("a", 0.8, 0.1, True, True)], "right": [Bar("a", 0.4, math.nan, False, True)]}
    drawn = draw_panels(both, "accuracy", 2)
    assert drawn.dtype == torch.uint8
    assert drawn.shape == (3, 400, 1000)
    assert 1.9 < blue(drawn[:, :, :510]) / blue(drawn[:, :, 510:]) < 2.1


def test_what_was_not_measured_has_no_bar() -> None:
    panels = {"one": [Bar("a", 0.8, math.nan, False, True)], "two": [Bar("a", math.nan, math.nan, True, False)]}
    drawn = draw_panels({**panels, "three": panels["two"]}, "accuracy", 2)
    assert drawn.shape == (3, 800, 1000)
    assert blue(drawn[:, :, 510:]) == blue(drawn[:, 400:]) == 0
