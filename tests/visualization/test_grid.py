import torch

from leyden.visualization.grid import grid, side_by_side, upscale


def test_grid_puts_images_row_by_row() -> None:
    images = torch.stack([torch.full((1, 4, 4), value, dtype=torch.uint8) for value in (10, 20, 30)])
    picture = grid(images, columns=2)
    assert picture.dtype == torch.uint8
    assert picture.shape == (3, 2 * 5 + 1, 2 * 5 + 1)
    assert (picture[:, 1, 1].tolist(), picture[:, 1, 6].tolist(), picture[:, 6, 1].tolist()) == (
        [10] * 3,
        [20] * 3,
        [30] * 3,
    )


def test_upscale_repeats_pixels_and_never_shrinks() -> None:
    image = torch.tensor([[[1, 2], [3, 4]]], dtype=torch.uint8)
    large = upscale(image, least=5)
    assert large.shape == (1, 6, 6)
    assert torch.equal(large[:, ::3, ::3], image)
    assert large[0, 2, 2] == 1
    assert torch.equal(upscale(large, least=4), large)


def test_beside_keeps_pictures_and_writes_titles() -> None:
    left, right = torch.zeros(3, 40, 60, dtype=torch.uint8), torch.full((3, 40, 50), 9, dtype=torch.uint8)
    picture = side_by_side({"real": left, "generated": right}, gap=10)
    assert picture.shape == (3, 72, 120)
    assert torch.equal(picture[:, 32:, :60], left)
    assert torch.equal(picture[:, 32:, 70:], right)
    assert (picture[:, :32, :60] < 128).any()
    assert (picture[:, :, 60:70] == 255).all()
