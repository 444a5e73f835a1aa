import pytest
import torch

from leyden.detection.boxes.anchors import default_boxes
from leyden.visualization.detection.default_boxes import COLOURS, draw_default_boxes

MAPS = [(2, 2), (1, 2)]
IMAGES = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
TRUTHS = [{"boxes": torch.tensor([[8.0, 8, 24, 24]]), "labels": torch.tensor([0])}]


def boxes() -> torch.Tensor:
    centred = default_boxes(64, [2, 1], [0.25, 0.5, 0.75], [[], []]) * 64
    return torch.cat([centred[:, :2] - centred[:, 2:] / 2, centred[:, :2] + centred[:, 2:] / 2], 1)


def test_matched_boxes_have_their_maps_colour():
    match = torch.full((1, 10), -1)
    match[0, 0] = 0
    image = draw_default_boxes(IMAGES, TRUTHS, boxes(), match, MAPS)
    second = image[:, 36:292, 268:524]  # beside the first tile, which shows the shapes
    assert not (second == torch.tensor(COLOURS[1])[:, None, None]).all(0).any()
    # Box 0 has side 16 around (16, 16), the object's own place: white lies on it.
    y, x = (second == 255).all(0).nonzero(as_tuple=True)
    assert [x.min(), y.min(), x.max(), y.max()] == [32, 32, 96, 96]


def test_the_first_tile_shows_a_cell_of_each_map():
    image = draw_default_boxes(IMAGES, TRUTHS, boxes(), torch.full((1, 10), -1), MAPS)
    first = image[:, 36:292, 6:262]
    for colour, (left, correct) in zip(COLOURS, [(130, 255), (10, 250)], strict=False):
        _, x = (first == torch.tensor(colour)[:, None, None]).all(0).nonzero(as_tuple=True)
        assert left < x.min() < x.max() <= correct


def test_maps_must_fit_the_boxes():
    with pytest.raises(ValueError, match="have 10 default boxes, got 9"):
        draw_default_boxes(IMAGES, TRUTHS, boxes()[:9], torch.full((1, 9), -1), MAPS)
