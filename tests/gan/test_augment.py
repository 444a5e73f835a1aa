import torch

from leyden.gan.augment import cut_out, translate


def test_each_image_is_shifted_as_a_whole_and_zeros_come_in() -> None:
    torch.manual_seed(0)
    images = torch.rand(64, 2, 8, 8) + 1
    moved = translate(images, 1 / 4)
    shifts = set()
    for image, result in zip(images, moved, strict=True):
        [(down, right)] = [
            (down, right)
            for down in range(-2, 3)
            for right in range(-2, 3)
            if torch.equal(result, shifted(image, down, right))
        ]
        shifts.add((down, right))
    assert len(shifts) > 15  # of 25: each image goes its own way


def shifted(image: torch.Tensor, down: int, right: int) -> torch.Tensor:
    """The reference, pixel by pixel."""
    result = torch.zeros_like(image)
    for row in range(8):
        for column in range(8):
            if 0 <= row - down < 8 and 0 <= column - right < 8:
                result[:, row, column] = image[:, row - down, column - right]
    return result


def test_a_square_is_blanked_in_all_channels_and_nothing_else_changes() -> None:
    torch.manual_seed(0)
    images = torch.rand(64, 3, 16, 16) + 1
    blank = cut_out(images, 1 / 2) == 0
    assert torch.equal(cut_out(images, 0), images)
    assert (blank[:, 0] == blank[:, 1]).all()
    for mask in blank[:, 0]:
        rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
        height, width = int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1
        assert mask.sum() == height * width
        assert 1 <= min(height, width) <= max(height, width) <= 8
    assert blank[:, 0].flatten(1).sum(1).max() == 64


def test_the_generators_gradient_flows_through_what_stays() -> None:
    torch.manual_seed(0)
    images = torch.ones(8, 1, 8, 8, requires_grad=True)
    changed = cut_out(translate(images, 1 / 4), 1 / 2)
    changed.sum().backward()
    assert images.grad is not None
    assert images.grad.sum() == changed.detach().sum()
    assert set(images.grad.unique().tolist()) == {0.0, 1.0}
