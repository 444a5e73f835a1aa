import numpy as np
import pytest

from leyden.visualization.curve_panels import MANY, Panel, draw_curve_panels, running_mean


def test_a_panel_beside_another() -> None:
    one = Panel("loss", {"training": ([1, 2], [3.0, 1.0])})
    both = draw_curve_panels([one, Panel("ap", {"validation": ([2], [0.5])}, {"best": (2, 0.5)})], "steps", "Two")
    assert both.shape == (3, 600, 1280)
    assert draw_curve_panels([one], "steps").shape == (3, 600, 640)
    left, right = both[:, 60:480, 100:600], both[:, 60:480, 740:1280]
    for part in (left, right):  # curves are drawn in both, in colour
        assert (part.float().std(0) > 20).any()


@pytest.mark.parametrize("panels", [[], [Panel("loss", {})], [Panel("loss", {"a": ([], [])})]])
def test_nothing_to_draw(panels: list[Panel]) -> None:
    with pytest.raises(ValueError, match="no points"):
        draw_curve_panels(panels, "steps")


def test_running_mean_of_many_points() -> None:
    values = np.random.default_rng(0).normal(size=200)
    smooth = running_mean(values)
    assert smooth[100] == pytest.approx(values[95:106].mean())
    assert smooth[0] == pytest.approx(values[:6].mean())
    assert smooth[-1] == pytest.approx(values[-6:].mean())
    assert running_mean(values[:MANY]) is not smooth
    np.testing.assert_array_equal(running_mean(values[:MANY]), values[:MANY])
