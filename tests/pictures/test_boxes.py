import torch

from leyden.pictures.boxes import ANSWER, TRUTH, draw_boxes, draw_scenes

BLACK = torch.zeros(3, 64, 64, dtype=torch.uint8)
TARGET = {"boxes": torch.tensor([[10.0, 20, 30, 50]]), "labels": torch.tensor([1])}
ANSWERED = {"boxes": torch.tensor([[12.0, 22, 32, 52]]), "labels": torch.tensor([0]), "scores": torch.tensor([0.9])}
NOTHING = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long(), "scores": torch.zeros(0)}


def coloured(picture: torch.Tensor, colour: tuple[int, int, int]) -> torch.Tensor:
    return (picture == torch.tensor(colour)[:, None, None]).all(0)


def test_boxes_lie_where_they_should_at_the_enlarged_size():
    picture = draw_boxes(BLACK, NOTHING, ["a", "b"], TARGET, side=256)
    assert picture.shape == (3, 256, 256)
    y, x = coloured(picture, TRUTH).nonzero(as_tuple=True)
    assert [x.min(), y.min(), x.max(), y.max()] == [40, 80, 120, 200]
    assert not coloured(picture, ANSWER).any()


def test_truth_and_answers_have_their_own_colours_and_answers_a_label():
    picture = draw_boxes(BLACK, ANSWERED, ["a", "b"], TARGET, side=256)
    assert coloured(picture, TRUTH).any()
    assert coloured(picture, (255, 255, 255)).any()
    y, _ = coloured(picture, ANSWER).nonzero(as_tuple=True)
    assert y.min() < 22 * 4


def test_grey_images_and_empty_answers():
    assert draw_boxes(BLACK[:1], NOTHING, ["a"]).shape[0] == 3


def test_scenes_are_laid_out_in_rows():
    images = BLACK[None].expand(5, -1, -1, -1)
    picture = draw_scenes(images, [ANSWERED] * 5, [TARGET] * 5, ["a", "b"])
    assert picture.shape == (3, 2 * 262 + 36, 4 * 262 + 6)
