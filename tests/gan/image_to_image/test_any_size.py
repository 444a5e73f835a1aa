import itertools

import pytest
import torch
from torch import Tensor, nn

from leyden.gan.image_to_image.any_size import at_any_size, reflect_pad, tile_starts
from leyden.gan.image_to_image.nets import ResNetGenerator


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 3), (8, 4)])
def test_padded_sides_are_multiples(size: tuple[int, int]) -> None:
    images = torch.randn(2, 3, *size)
    padded, top, left = reflect_pad(images, 4, least=8)
    assert padded.shape == (2, 3, 8, 8)
    assert torch.equal(padded[..., top : top + size[0], left : left + size[1]], images)


def test_padding_is_torchs_reflection() -> None:
    images = torch.randn(1, 2, 5, 7)
    padded, top, left = reflect_pad(images, 8)
    expected = nn.functional.pad(images, (left, 8 - 7 - left, top, 8 - 5 - top), mode="reflect")
    assert torch.equal(padded, expected)


def test_margins_wider_than_the_image_go_on() -> None:
    padded, top, _ = reflect_pad(torch.tensor([[[[1.0], [2.0], [3.0]]]]), 1, least=9)
    assert padded[0, 0, :, 0].tolist() == [2, 3, 2, 1, 2, 3, 2, 1, 2]
    assert top == 3


@pytest.mark.parametrize(("side", "tile", "overlap"), [(100, 40, 10), (41, 40, 10), (40, 40, 10), (1000, 64, 32)])
def test_tiles_cover_with_their_overlap(side: int, tile: int, overlap: int) -> None:
    starts = tile_starts(side, tile, overlap)
    assert starts[0] == 0
    assert starts[-1] + min(tile, side) == side
    steps = [after - before for before, after in itertools.pairwise(starts)]
    assert all(0 < step <= tile - overlap for step in steps)


def test_tiles_change_nothing_of_a_local_network() -> None:
    """It acts on each pixel by itself."""
    torch.manual_seed(0)
    pointwise = nn.Conv2d(3, 2, 1)
    images = torch.randn(1, 3, 50, 23)
    with torch.no_grad():
        torch.testing.assert_close(at_any_size(pointwise, images, 4, tile=16, overlap=6), pointwise(images))


def test_tiles_fade_into_each_other() -> None:
    """Each tile is its own mean: the seams are ramps, of steps no larger than a ramp's."""
    image = torch.linspace(0, 1, 96).expand(1, 1, 32, 96)
    sizes: list[tuple[int, int]] = []

    def mean(tile: Tensor) -> Tensor:
        sizes.append((tile.shape[-2], tile.shape[-1]))
        return tile.mean((2, 3), keepdim=True).expand_as(tile)

    made = at_any_size(mean, image, 4, tile=32, overlap=16)[0, 0, 16]
    assert set(sizes) == {(32, 32)}
    assert made[0] == pytest.approx(image[..., :32].mean().item(), abs=1e-5)
    assert (made.diff() >= -1e-6).all()
    assert made.diff().max() < 3 * (made[-1] - made[0]) / 96


@pytest.mark.parametrize("size", [(1, 1), (9, 30)])
def test_real_network_at_odd_sizes(size: tuple[int, int]) -> None:
    with torch.no_grad():
        made = at_any_size(ResNetGenerator(3, 2, 1), torch.randn(1, 3, *size), 4, least=8, tile=16, overlap=4)
    assert made.shape == (1, 3, *size)
    assert made.isfinite().all()
