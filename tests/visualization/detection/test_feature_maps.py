import torch
from torchvision.transforms.v2.functional import rgb_to_grayscale

from leyden.visualization.detection.feature_maps import SIDE, draw_feature_maps, strength
from leyden.visualization.saliency import OPACITY, RAMP

TOP = 36
"""Pixels that the title takes."""
CAPTION = 60
"""Pixels that a caption takes at most."""


def test_strength_is_the_greatest_magnitude() -> None:
    maps = torch.zeros(2, 3, 2, 2, requires_grad=True).clone()
    maps[0, :2, 0, 0], maps[0, 2, 0, 1], maps[0, 1, 1, 0] = 1.0, -3.0, 2.0  # two channels of 1 are no 2
    maps[1] = 5.0
    heat = strength(maps)
    torch.testing.assert_close(heat[0], torch.tensor([[1 / 3, 1], [2 / 3, 0]]))
    assert heat[1].tolist() == [[0, 0], [0, 0]]  # all alike
    assert not heat.requires_grad
    torch.testing.assert_close(strength(-7 * maps + 0), heat)


def test_maps_lie_over_their_image() -> None:
    images = torch.full((2, 3, 32, 32), 100, dtype=torch.uint8)
    images[1] = 200
    fine, coarse = torch.zeros(2, 4, 4, 4), torch.zeros(2, 2, 2, 2)
    fine[0, 1, 0, 3] = 1  # the first image's upper right sixteenth
    coarse[1, 0, 1, 0] = -1  # the second one's lower left quarter
    drawn = draw_feature_maps(images, [fine, coarse], [8, 16])
    assert drawn.dtype == torch.uint8
    assert (drawn[:, :TOP] < 128).any()  # what the colours mean
    columns = range(8, drawn.shape[2] - SIDE + 1, (drawn.shape[2] - 8) // 3)
    height = (drawn.shape[1] - TOP) // 2
    assert SIDE <= height < SIDE + CAPTION
    tiles = [[drawn[:, TOP + i * height :, x:][:, :SIDE, :SIDE] for x in columns] for i in range(2)]
    grey = rgb_to_grayscale(images[:, :, :1, :1], num_output_channels=3)
    hot = grey[0].flatten().float().lerp(torch.tensor(RAMP[2]).float(), OPACITY).round()
    for i, row in enumerate(tiles):
        assert (row[0] == images[i, 0, 0, 0]).all()
    step = SIDE // 4
    cells = tiles[0][1].unfold(1, step, step).unfold(2, step, step).flatten(3)
    assert torch.equal(cells.amin(3), cells.amax(3))  # whole cells have one colour
    assert torch.equal(cells[:, 0, 3, 0].float(), hot)
    assert (cells[:, 1:, :, 0] == grey[0]).all()
    assert (tiles[0][2] == grey[0]).all()  # a map without activation
    assert (tiles[1][2][:, : SIDE // 2] == grey[1]).all()
    assert (tiles[1][2][:, SIDE // 2 :, SIDE // 2 :] == grey[1]).all()
    assert (tiles[1][2][:, SIDE // 2 :, : SIDE // 2] != grey[1]).any(0).all()
