import torch

from leyden.visualization.detection.annotated import BAD, LEAST, class_colour, draw_annotated

BLACK = torch.zeros(3, 40, 80, dtype=torch.uint8)
TARGET = {"boxes": torch.tensor([[10.0, 20, 30, 35]]), "labels": torch.tensor([1])}


def places(image: torch.Tensor, colour: tuple[int, int, int]) -> list[int]:
    y, x = (image == torch.tensor(colour)[:, None, None]).all(0).nonzero(as_tuple=True)
    return [int(x.min()), int(y.min()), int(x.max()), int(y.max())] if len(x) else []


def test_boxes_lie_where_they_should_at_the_size_of_the_sheet():
    image = draw_annotated(BLACK, TARGET, ["a", "b"], side=160)
    assert image.shape == (3, 80, 160)
    left, _, _, bottom = places(image, class_colour(1))
    assert (left, bottom) == (20, 70)
    small = draw_annotated(BLACK, TARGET, ["a", "b"], side=40)
    assert small.shape == (3, 20, 40)


def test_a_bad_box_without_an_area_is_seen():
    image = draw_annotated(BLACK, TARGET, ["a", "b"], bad=[(60, 20, 60, 20)], side=80)
    x1, y1, x2, y2 = places(image, BAD)
    assert x1 <= 60 - LEAST + 1 <= 60 + LEAST - 1 <= x2
    assert y1 <= 20 - LEAST + 1 <= 20 + LEAST - 1 <= y2
    assert places(draw_annotated(BLACK, TARGET, ["a", "b"], bad=[(500, -30, 900, -10)], side=80), BAD)


def test_difficult_objects_are_named_and_grey_images_drawn():
    plain = draw_annotated(BLACK[:1], TARGET, ["a", "b"], side=320)
    hard = draw_annotated(BLACK[:1], {**TARGET, "difficult": torch.tensor([True])}, ["a", "b"], side=320)
    assert plain.shape == hard.shape == (3, 160, 320)
    assert not torch.equal(plain, hard)


def test_colours_of_neighbours_differ_and_none_is_red():
    colours = torch.tensor([class_colour(label) for label in range(80)]).float()
    assert (colours[1:] - colours[:-1]).abs().amax(1).min() > 50
    assert all(not (red > 200 and green < 60 and blue < 60) for red, green, blue in colours.tolist())
