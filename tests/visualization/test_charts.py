import math

import pytest
import torch

from leyden.visualization.charts import Curve, draw_bars, draw_curves, draw_histogram
from leyden.visualization.figure import COLOURS

CURVES: dict[str, Curve] = {
    "from scratch": ([1, 10, 100], [0.2, 0.4, 0.8], [0.1, 0.1, 0.1]),
    "fine-tuned": ([1, 10, 100], [0.6, 0.7, 0.9], None),
}
FLAT: dict[str, Curve] = {"flat": ([1, 10, 100], [0.5, 0.5, 0.5], None)}


def near(image: torch.Tensor, colour: str | tuple[int, ...], tolerance: int = 2) -> torch.Tensor:
    """Where the image has this colour: (H, W) bool."""
    rgb = tuple(bytes.fromhex(colour[1:])) if isinstance(colour, str) else colour
    return ((image.int() - torch.tensor(rgb)[:, None, None]).abs() <= tolerance).all(0)


def runs(mask: torch.Tensor) -> list[float]:
    """Middles of the runs of True in (n,) bool."""
    edges = torch.diff(mask.int(), prepend=torch.zeros(1), append=torch.zeros(1))
    pairs = zip((edges == 1).nonzero().flatten().tolist(), (edges == -1).nonzero().flatten().tolist(), strict=True)
    return [(start + end - 1) / 2 for start, end in pairs]


def markers(image: torch.Tensor) -> list[float]:
    """Columns of the middles of the first curve's markers; the legend below is left out."""
    return runs(near(image[:, :500], COLOURS[0]).sum(0) > 6)  # thicker than the line


def axis_row(image: torch.Tensor) -> int:
    """The row of the horizontal axis, its longest black line."""
    return int(near(image, (0, 0, 0), 40).sum(1).argmax())


def test_curves_have_their_size_and_colours() -> None:
    image = draw_curves(CURVES, "images", "accuracy", "Labels")
    assert image.dtype == torch.uint8
    assert image.shape == (3, 600, 900)
    for colour, free in zip(COLOURS, (False, False, True), strict=False):
        assert near(image, colour).any() != free
    assert near(image[:, axis_row(image) :], COLOURS[1]).any()  # the legend is below the axis


def test_curves_rise_to_the_right() -> None:
    rows, columns = near(draw_curves(CURVES, "x", "y")[:, :500], COLOURS[0]).nonzero(as_tuple=True)
    assert rows[columns.argmin()] > rows[columns.argmax()] + 100


def test_the_band_lies_evenly_around_the_line() -> None:
    image = draw_curves({"a": ([0, 1], [0.5, 0.5], [0.1, 0.1])}, "x", "y")
    tint = tuple(round(255 * 0.82 + 0.18 * c) for c in bytes.fromhex(COLOURS[0][1:]))
    column = 503  # between the markers, beside the grid
    band = near(image, tint)[:, column].nonzero().flatten()
    line = near(image, COLOURS[0])[:500, column].nonzero().flatten().float().mean()
    assert band.max() - band.min() > 100
    assert (band.max() + band.min()) / 2 == pytest.approx(line, abs=2)
    assert not near(draw_curves({"a": ([0, 1], [0.5, 0.5], None)}, "x", "y"), tint)[:500, column].any()


def test_powers_of_ten_are_evenly_spaced_on_a_logarithmic_axis() -> None:
    left, middle, correct = markers(draw_curves(FLAT, "x", "y", log_x=True))
    assert middle - left == pytest.approx(correct - middle, abs=1.5)
    left, middle, correct = markers(draw_curves(FLAT, "x", "y"))
    assert middle - left < (correct - middle) / 5


def test_words_stand_below_categories() -> None:
    curve: dict[str, Curve] = {"a": ([0, 1, 2], [0.5, 0.5, 0.5], None)}
    image = draw_curves(curve, "x", "y", ticks=["", "mmmm", "mm"])
    row = axis_row(image)
    ink = near(image[:, row + 8 : row + 26], (0, 0, 0), 120).any(0)
    words = [ink[round(column) - 60 : round(column) + 60].nonzero().flatten() for column in markers(image)]
    assert [len(word) > 0 for word in words] == [False, True, True]
    assert words[1].max() - words[1].min() > 1.5 * (words[2].max() - words[2].min())
    assert all((word.max() + word.min()) / 2 == pytest.approx(60, abs=4) for word in words[1:])
    long = draw_curves(curve, "x", "y", ticks=["a very long name of a category"] * 3)
    assert axis_row(long) < row - 40  # room for slanted words


def test_the_mark_is_a_vertical_line_at_its_position() -> None:
    image = draw_curves(FLAT, "x", "y", log_x=True, mark=10)
    dashes = near(image, (89, 89, 89), 12).sum(0)
    assert dashes.max() > 150
    assert float(dashes.argmax()) == pytest.approx(markers(image)[1], abs=2)


def test_nan_leaves_a_gap() -> None:
    whole = markers(draw_curves({"a": ([0, 1, 2], [1, 1, 1], None)}, "x", "y"))
    assert len(whole) == 3
    assert markers(draw_curves({"a": ([0, 1, 2], [1, math.nan, 1], None)}, "x", "y")) == [whole[0], whole[2]]


def test_names_are_shown_as_they_are() -> None:
    # Neither hidden for its underscore nor read as a formula.
    names = ("a", r"_a $\neither$")
    images = [draw_curves({name: ([0, 1], [0, 1], None)}, "x", "y", ticks=["", name]) for name in names]
    plain, signs = (near(image[:, -60:], (0, 0, 0), 60).sum() for image in images)
    assert signs > 3 * plain


@pytest.mark.parametrize(
    ("curves", "options", "message"),
    [
        ({}, {}, "no points"),
        ({"a": ([], [], None)}, {}, "no points"),
        ({"a": ([1, 2], [1], None)}, {}, "curve 'a'"),
        ({"a": ([1, 2], [1, 2], [0.1])}, {}, "curve 'a'"),
        ({"a": ([0, 2], [1, 2], None)}, {"log_x": True}, "above 0"),
        (FLAT, {"log_x": True, "ticks": ["a", "b"]}, "no labels"),
    ],
)
def test_curves_that_cannot_be_drawn(curves: dict, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_curves(curves, "x", "y", **options)


def bar_lengths(image: torch.Tensor) -> list[int]:
    """Pixels of each bar, from the top."""
    bars = near(image, COLOURS[0])
    return [int(bars[round(row)].sum()) for row in runs(bars.any(1))]


def test_bars_are_as_long_as_their_values_in_order() -> None:
    half, full, quarter = bar_lengths(draw_bars({"a": 0.5, "none": math.nan, "b": 1.0, "c": 0.25}, "accuracy", "Bars"))
    assert half == pytest.approx(full / 2, abs=2)
    assert quarter == pytest.approx(full / 4, abs=2)


def test_more_bars_are_taller_up_to_the_sixty_lowest() -> None:
    few, many = ({f"class {i}": 0.2 for i in range(count)} for count in (4, 60))
    heights = [draw_bars(values, "accuracy", "Bars").shape for values in (few, many, many | {"best": 0.9})]
    assert heights == [(3, 150 + 25 * 4, 900), (3, 150 + 25 * 60, 900), (3, 150 + 25 * 60, 900)]
    with_best_first = draw_bars({"best": 0.9} | many, "accuracy", "Bars")
    assert max(bar_lengths(with_best_first)) < 250  # the best was left out
    assert len(bar_lengths(draw_bars({"unknown": math.nan} | many, "accuracy", "Bars"))) == 60
    assert (with_best_first[:, :40] < 99).sum() > 2 * (
        draw_bars(many, "accuracy", "Bars")[:, :40] < 99
    ).sum()  # says so


@pytest.mark.parametrize("values", [{}, {"a": 1.2}, {"a": -0.1}])
def test_bars_outside_their_scale_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"in 0\.\.1"):
        draw_bars(values, "accuracy", "Bars")


def test_the_main_curve_is_black_on_top_of_all() -> None:
    flat = ([0.0, 1.0], [0.5, 0.5], None)
    image = draw_curves({"main": flat, "other": flat}, "x", "y", main="main")
    middle = image[:, 150:350, 450].float().mean(0)  # a column through both
    assert middle.min() == 0


def test_small_bars_fill_the_axis_when_asked() -> None:
    few = {"a": 0.02, "b": 0.01}
    blue = [(draw_bars(few, "x", "t", whole=whole)[0] == 0).sum() for whole in (True, False)]
    assert blue[1] > 10 * blue[0]


def test_a_histogram_has_its_size_and_needs_values() -> None:
    image = draw_histogram(torch.tensor([0.0, 1, 1, 9]), "weight", "Weights", 1.0, "one")
    assert image.shape == (3, 600, 900)
    assert image.float().std() > 10
    with pytest.raises(ValueError, match="no values to draw"):
        draw_histogram(torch.empty(0), "weight", "", 1.0, "one")
