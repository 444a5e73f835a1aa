import pytest
import torch

from leyden.data.columns import LabelledImages
from leyden.transfer.augment import Shake, Views

HALF = torch.full((1, 4), 0.5)


def images(count: int = 1) -> torch.Tensor:
    return torch.randint(0, 256, (count, 2, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_the_middle_of_every_range_changes_nothing() -> None:
    changed, targets = Shake(30, 0.5, 0.3)(LabelledImages(images(), torch.tensor([3])), HALF)
    assert torch.equal(changed, images())
    assert targets.tolist() == [3]
    assert changed.dtype == torch.uint8


def test_greatest_shift_moves_by_the_given_share_of_the_side() -> None:
    u = torch.tensor([[0.5, 0.5, 0.0, 0.5], [0.5, 0.5, 0.5, 0.0]])
    right, down = Shake(0, 0, 0.25)(LabelledImages(images(1).repeat(2, 1, 1, 1), torch.zeros(2)), u)[0]
    assert torch.equal(right[:, :, 2:], images()[0, :, :, :-2])
    assert (right[:, :, :2] == 0).all()
    assert torch.equal(down[:, 2:], images()[0, :, :-2])


def test_rotation_reaches_the_given_degrees() -> None:
    one, _ = Shake(90, 0, 0)(LabelledImages(images(), torch.zeros(1)), torch.tensor([[0.0, 0.5, 0.5, 0.5]]))
    assert torch.equal(one, images().rot90(1, (2, 3))) or torch.equal(one, images().rot90(-1, (2, 3)))


def test_zoom_enlarges_and_shrinks() -> None:
    block = torch.zeros(2, 1, 16, 16, dtype=torch.uint8)
    block[:, :, 6:10, 6:10] = 255
    u = torch.tensor([[0.5, 0.0, 0.5, 0.5], [0.5, 1.0, 0.5, 0.5]])
    shrunk, grown = Shake(0, 1.0, 0)(LabelledImages(block, torch.zeros(2)), u)[0].float().sum((1, 2, 3)) / 255
    assert shrunk == pytest.approx(4, rel=0.3)  # half the side, a quarter of the 16 pixels
    assert grown == pytest.approx(64, rel=0.1)


def test_views_are_the_symmetries_and_part_of_the_label() -> None:
    u = torch.cat([torch.arange(8)[:, None] / 8 + 0.01, HALF.repeat(8, 1)], 1)
    views, labels = Views(8, Shake(0, 0, 0))(LabelledImages(images(1).repeat(8, 1, 1, 1), torch.full((8,), 2)), u)
    assert labels.tolist() == list(range(16, 24))
    assert torch.equal(views[0], images()[0])
    assert torch.equal(views[1], images()[0].rot90(1, (1, 2)))
    assert torch.equal(views[4], images()[0].flip(2))
    assert len({bytes(view.numpy()) for view in views}) == 8


def test_one_view_is_the_plain_task() -> None:
    views, labels = Views(1, Shake(0, 0, 0))(LabelledImages(images(), torch.tensor([2])), torch.full((1, 5), 0.5))
    assert torch.equal(views, images())
    assert labels.tolist() == [2]


def test_other_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="1, 4 or 8 views, not 3"):
        Views(3, Shake(0, 0, 0))


def test_half_of_the_images_are_mirrored_before_they_are_moved() -> None:
    u = torch.tensor([[0.5, 0.5, 0.0, 0.5, 0.49], [0.5, 0.5, 0.0, 0.5, 0.5]])
    mirrored, plain = Shake(0, 0, 0.25, flip=True)(LabelledImages(images().repeat(2, 1, 1, 1), torch.zeros(2)), u)[0]
    assert torch.equal(mirrored[:, :, 2:], images()[0].flip(2)[:, :, :-2])
    assert torch.equal(plain[:, :, 2:], images()[0, :, :, :-2])
    assert torch.equal(Shake(0, 0, 0, flip=True)(LabelledImages(images(), torch.zeros(1)), u[:1])[0], images().flip(3))
    assert (Shake(0, 0, 0, flip=True).draws, Shake(0, 0, 0).draws, Views(4, Shake(0, 0, 0, flip=True)).draws) == (
        5,
        4,
        6,
    )


def test_reflection_shows_the_image_itself_at_the_border() -> None:
    u = torch.tensor([[0.5, 0.5, 0.0, 0.5]])
    moved = Shake(0, 0, 0.25, border="reflection")(LabelledImages(images(), torch.zeros(1)), u)[0]
    assert torch.equal(moved[..., 2:], images()[..., :-2])
    assert torch.equal(moved[..., :2], images()[..., :2].flip(3))


def test_a_white_image_stays_white_by_reflection_and_darkens_by_zeros() -> None:
    white = torch.full((64, 1, 8, 8), 255, dtype=torch.uint8)
    u = torch.rand(64, 4, generator=torch.Generator().manual_seed(0))
    assert (Shake(45, 0.5, 0.3, border="reflection")(LabelledImages(white, torch.zeros(64)), u)[0] == 255).all()
    assert (Shake(45, 0.5, 0.3)(LabelledImages(white, torch.zeros(64)), u)[0] < 255).any()
