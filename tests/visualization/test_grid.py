import torch

from leyden.visualization.grid import grid, grids, side_by_side, upscale


def test_grid_puts_images_row_by_row() -> None:
    images = torch.stack([torch.full((1, 4, 4), value, dtype=torch.uint8) for value in (10, 20, 30)])
    drawn = grid(images, columns=2)
    assert drawn.dtype == torch.uint8
    assert drawn.shape == (3, 2 * 5 + 1, 2 * 5 + 1)
    assert (drawn[:, 1, 1].tolist(), drawn[:, 1, 6].tolist(), drawn[:, 6, 1].tolist()) == (
        [10] * 3,
        [20] * 3,
        [30] * 3,
    )


def test_grids_are_of_one_scale() -> None:
    few, many = torch.full((3, 1, 4, 4), 200, dtype=torch.uint8), torch.full((20, 1, 4, 4), 100, dtype=torch.uint8)
    drawn = grids({"real": few, "generated": many})
    assert torch.equal(drawn["generated"], grid(many))
    assert drawn["real"].shape == drawn["generated"].shape
    assert torch.equal(drawn["real"][:, :6, :16], grid(few))
    assert (drawn["real"][:, 6:] == 48).all()


def test_upscale_repeats_pixels_and_never_shrinks() -> None:
    image = torch.tensor([[[1, 2], [3, 4]]], dtype=torch.uint8)
    large = upscale(image, least=5)
    assert large.shape == (1, 6, 6)
    assert torch.equal(large[:, ::3, ::3], image)
    assert large[0, 2, 2] == 1
    assert torch.equal(upscale(large, least=4), large)


def test_beside_keeps_pictures_and_writes_titles() -> None:
    left, right = torch.zeros(3, 40, 160, dtype=torch.uint8), torch.full((3, 40, 150), 9, dtype=torch.uint8)
    drawn = side_by_side({"real": left, "generated": right}, gap=10)
    assert drawn.shape == (3, 72, 320)
    assert torch.equal(drawn[:, 32:, :160], left)
    assert torch.equal(drawn[:, 32:, 170:], right)
    assert (drawn[:, :32, :160] < 128).any()
    assert (drawn[:, :, 160:170] == 255).all()


def test_title_wider_than_its_image_is_whole() -> None:
    tiny = torch.zeros(3, 4, 4, dtype=torch.uint8)
    drawn = side_by_side({"a title that is far wider": tiny, "b": tiny})
    assert drawn.shape[2] > 200
    assert (drawn[:, :32, -4:] == 255).any()
    assert (drawn[:, 32:, :4] == 0).all()
