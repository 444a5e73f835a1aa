import pytest
import torch

from leyden.visualization.scatter import draw_points, draw_trade_offs

PLACES, LABELS = torch.tensor([[0.0, 0], [0, 0], [4, 4]]), torch.tensor([0, 0, 1])
BLUE, ORANGE = "#1f77b4", "#ff7f0e"  # the first two of tab10


def near(image: torch.Tensor, colour: str | tuple[int, ...], tolerance: int = 2) -> torch.Tensor:
    """Where the image has this colour: (H, W) bool."""
    rgb = tuple(bytes.fromhex(colour[1:])) if isinstance(colour, str) else colour
    return ((image.int() - torch.tensor(rgb)[:, None, None]).abs() <= tolerance).all(0)


def test_points_lie_in_their_panel_in_the_colour_of_their_class() -> None:
    image = draw_points({"before": PLACES, "after": -PLACES}, LABELS, ["cat", "dog"])
    assert image.shape == (3, 525, 900)
    before, after = image[:, :440, :450], image[:, :440, 450:]
    for panel, sign in ((before, 1), (after, -1)):
        (y_cat, x_cat), (y_dog, x_dog) = (near(panel, c).nonzero().float().mean(0) for c in (BLUE, ORANGE))
        assert sign * (x_dog - x_cat) > 100
        assert sign * (y_cat - y_dog) > 100
    assert near(image[:, 440:], BLUE).any()  # the legend


def test_up_to_twenty_classes_have_a_legend() -> None:
    twenty, more = (draw_points({"a": PLACES}, LABELS, [f"c{i}" for i in range(count)]) for count in (20, 21))
    assert twenty.shape[1] > 500
    assert more.shape == (3, 500, 450)


def test_points_without_a_label_are_refused() -> None:
    with pytest.raises(ValueError, match=r"3 labels, got \{'a': \(2, 2\)\}"):
        draw_points({"a": PLACES[:2]}, LABELS, ["cat", "dog"])
    with pytest.raises(ValueError, match="each panel"):
        draw_points({}, LABELS, ["cat", "dog"])


def test_trade_offs_have_a_panel_per_cost() -> None:
    panel = {"a": ([1.0, 2.0], [0.5, 0.6]), "b": ([30.0], [0.9])}
    one, three = (draw_trade_offs(dict.fromkeys(costs, panel), "gain", "title") for costs in ("x", "xyz"))
    assert one.shape == (3, 600, 900)
    assert three.shape == (3, 600, 1350)
    for panels in ({"x": {}}, {"x": {"a": ([0.0], [1.0])}}):
        with pytest.raises(ValueError, match="costs above 0"):
            draw_trade_offs(panels, "gain", "title")
