import torch

from leyden.gan.augment import color_jitter, cutout, translate


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
    blank = cutout(images, 1 / 2) == 0
    assert torch.equal(cutout(images, 0), images)
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
    changed = cutout(translate(images, 1 / 4), 1 / 2)
    changed.sum().backward()
    assert images.grad is not None
    assert images.grad.sum() == changed.detach().sum()
    assert set(images.grad.unique().tolist()) == {0.0, 1.0}


def test_colours_change_as_in_the_paper() -> None:
    """Every image becomes an affine function of itself, within the published bounds."""
    torch.manual_seed(0)
    images = torch.rand(256, 1, 4, 4) * 2 - 1
    changed = color_jitter(images, 1.0)
    assert torch.equal(color_jitter(images, 0), images)
    brightness = (changed - images).mean((1, 2, 3))
    contrast = changed.flatten(1).std(1) / images.flatten(1).std(1)
    assert -0.5 <= brightness.min() < -0.4 < 0.4 < brightness.max() <= 0.5
    assert 0.5 <= contrast.min() < 0.6 < 1.4 < contrast.max() <= 1.5


def test_saturation_of_grey_images_cannot_change_and_that_of_colours_does() -> None:
    torch.manual_seed(0)
    grey = color_jitter(torch.rand(8, 1, 4, 4).expand(-1, 3, -1, -1), 1.0)
    torch.testing.assert_close(grey, grey[:, :1].expand(-1, 3, -1, -1))
    colours = torch.rand(256, 3, 4, 4)
    spread = (color_jitter(colours, 1.0).std(1) / colours.std(1)).flatten(1)
    torch.testing.assert_close(spread, spread[:, :1].expand(-1, 16), rtol=1e-3, atol=1e-3)  # one factor per image
    assert spread.min() < 0.2
    assert spread.max() > 2
