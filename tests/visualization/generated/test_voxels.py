"""Voxels as people see them."""

import io

import torch
from PIL import Image

from leyden.visualization.generated.voxels import TURNS, draw_silhouette, draw_voxels, turn, turning_gif


def bar(axis: int) -> torch.Tensor:
    """A bar along an axis (depth, height, width) through the middle of 8^3."""
    volume = torch.zeros(8, 8, 8, dtype=torch.bool)
    index: list[slice | int] = [3, 3, 3]
    index[axis] = slice(0, 8)
    volume[tuple(index)] = True
    return volume


def extent(image: torch.Tensor) -> tuple[int, int]:
    """Height and width of what is not white."""
    ink = (image < 250).any(0)
    return int(ink.any(1).sum()), int(ink.any(0).sum())


def test_bars_are_seen_along_their_axes() -> None:
    height, width = extent(draw_voxels(bar(1), yaw=0))
    assert height > 2 * width
    height, width = extent(draw_voxels(bar(2), yaw=0))
    assert width > 2 * height
    assert extent(draw_voxels(bar(2), yaw=90)) == extent(draw_voxels(bar(0), yaw=0))  # the camera goes around


def test_silhouette_of_a_level_camera_is_the_volume_s() -> None:
    volume = torch.rand(8, 8, 8, generator=torch.Generator().manual_seed(0)) > 0.97
    image = draw_voxels(volume, yaw=0, side=96, tilt=0.0)
    ink = (image < 250).any(0)
    cell = 96 / (8 * 1.5)
    for row, column in torch.cartesian_prod(torch.arange(8), torch.arange(8)).tolist():
        y, x = (round(48 + (place - 3.5) * cell) for place in (row, column))
        assert ink[y, x] == volume[:, row, column].any()


def test_empty_volume_is_white() -> None:
    assert draw_voxels(torch.zeros(4, 4, 4)).min() == 255


def test_faces_in_the_light_are_brighter() -> None:
    image = draw_voxels(torch.ones(4, 4, 4), yaw=45, colour=(200, 200, 200))
    shades = image[0][image[0] < 250].unique()
    top, below = image[0, 30, 64], image[0, 90, 64]
    assert len(shades) >= 3
    assert top > below


def test_gif_turns_once_and_repeats() -> None:
    content = turning_gif(turn(bar(2), side=32))
    with Image.open(io.BytesIO(content)) as image:
        assert image.n_frames == TURNS
        assert image.info["loop"] == 0
        assert image.size == (32, 32)
        first = image.convert("RGB").tobytes()
        image.seek(TURNS // 4)
        assert image.convert("RGB").tobytes() != first


def test_silhouette_is_dark_on_bright() -> None:
    image = draw_silhouette(torch.eye(4), side=16)
    assert image.shape == (3, 16, 16)
    assert image[0, :4, :4].max() == 40
    assert image[0, :4, 4:].min() == 232
