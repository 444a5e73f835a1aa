import pytest
import torch

from leyden.visualization.scatter import draw_domains, draw_points, draw_trade_offs

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


def test_domains_are_dots_and_crosses_by_class_and_by_domain() -> None:
    places = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    labels, domains = torch.tensor([0, 1, 0, 1]), torch.tensor([0, 0, 1, 1])
    drawn = draw_domains({"pixels": places, "features": places}, labels, ["zero", "one"], domains)
    assert drawn.shape[2] == 900
    assert drawn.shape[1] >= 930
    top, bottom = drawn[:, :450, :450], drawn[:, 470:900, :450]
    one = draw_domains({"pixels": places}, labels, ["zero", "one"], torch.zeros(4, dtype=torch.long))
    assert not torch.equal(one[:, 470:900], bottom)  # the colour of a domain is in the lower row
    assert not torch.equal(top[:, :430], bottom)


def test_domains_need_a_place_each() -> None:
    with pytest.raises(ValueError, match="one place and one domain for each of the 3 labels"):
        draw_domains({"a": torch.zeros(3, 2)}, torch.zeros(3), ["x"], torch.zeros(2))
