import pytest
import torch

from leyden.visualization.detection.proposals import FAR, MISS, NEAR, REACHED, draw_proposals

IMAGES = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
TRUTHS = [{"boxes": torch.tensor([[8.0, 8, 24, 24], [40, 40, 56, 56]]), "labels": torch.tensor([0, 1])}]


def span(image: torch.Tensor, colour: tuple[int, int, int]) -> list[int]:
    """The box around all pixels of a colour, in the first tile, which is four times as large as the image."""
    tile = image[:, 36:292, 6:262]
    y, x = (tile == torch.tensor(colour)[:, None, None]).all(0).nonzero(as_tuple=True)
    return [int(x.min()), int(y.min()), int(x.max()), int(y.max())] if len(x) else []


def test_colours_say_what_a_proposal_is_good_for():
    proposals = torch.tensor([[6.0, 6, 26, 26], [30, 2, 60, 30]])  # IoU with the first object: 256 / 400
    image = draw_proposals(IMAGES, [proposals], TRUTHS)
    assert span(image, NEAR) == [24, 24, 104, 104]
    assert span(image, FAR) == [120, 8, 240, 120]
    assert span(image, REACHED) == [32, 32, 96, 96]
    assert span(image, MISS) == pytest.approx([160, 160, 224, 224], abs=2)


def test_half_is_not_more_than_half():
    image = draw_proposals(IMAGES, [torch.tensor([[8.0, 8, 24, 40]])], TRUTHS)
    assert span(image, NEAR) == []
    assert span(image, REACHED) == []


def test_an_image_may_have_no_objects_or_no_proposals():
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    assert span(draw_proposals(IMAGES, [torch.tensor([[8.0, 8, 24, 24]])], [nothing]), FAR) == [32, 32, 96, 96]
    image = draw_proposals(IMAGES, [torch.zeros(0, 4)], TRUTHS)
    assert span(image, MISS) == pytest.approx([32, 32, 224, 224], abs=2)
