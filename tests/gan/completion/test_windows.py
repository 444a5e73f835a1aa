"""Holes of images of any size: every other pixel as it was, windows as wide as the holes ask for."""

import pytest
import torch
from torch import Tensor

from leyden.gan.completion.windows import fill_any, fill_holes

Seen = list[tuple[Tensor, Tensor]]


def filler(seen: Seen, value: int = 9):
    """Fills holes with one grey and keeps what it is shown."""

    def complete(images: Tensor, holes: Tensor) -> Tensor:
        seen.append((images, holes))
        return torch.where(holes, value, images).to(torch.uint8)

    return complete


def blank(height: int, width: int, *boxes: tuple[int, int, int, int]) -> Tensor:
    mask = torch.zeros(height, width, dtype=torch.bool)
    for top, left, bottom, right in boxes:
        mask[top:bottom, left:right] = True
    return mask


@pytest.mark.parametrize("size", [(16, 16), (9, 9), (40, 23), (16, 61), (5, 30), (1, 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_known_stays_bit_for_bit(size: tuple[int, int], channels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (channels, *size), dtype=torch.uint8, generator=generator)
    mask = torch.rand(size, generator=generator) < 0.2
    mask[-1, -1] = True
    for network in (1, 3):
        filled = fill_any(filler([]), image, mask, network, 16, 0.4)
        assert filled.shape == image.shape
        assert torch.equal(filled[:, ~mask], image[:, ~mask])
        assert (filled[:, mask] != image[:, mask]).any()


def test_an_image_of_the_network_s_size_is_one_window() -> None:
    seen: Seen = []
    images, mask = torch.full((1, 1, 16, 16), 3, dtype=torch.uint8), blank(16, 16, (2, 3, 7, 8))
    filled = fill_holes(filler(seen), images, mask, 16, 0.4)
    assert torch.equal(filled, torch.where(mask, 9, 3)[None, None].to(torch.uint8))
    (window,) = seen
    assert torch.equal(window[0], images)
    assert torch.equal(window[1][0, 0], mask)


def test_a_window_is_around_its_hole() -> None:
    """Its pixels are those of the image, the hole in its middle; at an edge it ends there."""
    seen: Seen = []
    images = torch.arange(60 * 60, dtype=torch.float).view(1, 1, 60, 60).fmod(251).to(torch.uint8)
    fill_holes(filler(seen), images, blank(60, 60, (30, 20, 34, 24), (58, 0, 60, 3)), 16, 0.4)
    (corner, _), (middle, hole) = seen
    assert torch.equal(corner, images[..., 44:, :16])
    assert torch.equal(middle, images[..., 24:40, 14:30])
    assert hole[0, 0].nonzero().amin(0).tolist() == [6, 6]


def test_wide_holes_are_shrunk() -> None:
    """20 pixels are 0.4 of 50, which are shown on 16: the hole is not wider than in training, a pixel's edge apart."""
    seen: Seen = []
    mask = blank(100, 100, (40, 40, 60, 60))
    filled = fill_holes(filler(seen), torch.full((1, 3, 100, 100), 200, dtype=torch.uint8), mask, 16, 0.4)
    (window,) = seen
    assert window[0].shape == (1, 3, 16, 16)
    across = window[1][0, 0].any(0).sum().item()
    assert 0.4 * 16 <= across <= 0.4 * 16 + 2
    assert (filled[..., 42:58, 42:58] == 9).all()


def test_holes_are_seen_as_holes_until_filled() -> None:
    seen: Seen = []
    mask = blank(16, 16, (1, 1, 3, 3), (8, 8, 12, 12))
    fill_holes(filler(seen), torch.zeros(1, 1, 16, 16, dtype=torch.uint8), mask, 16, 0.4)
    (_, both), (images, larger) = seen
    assert both.sum() == 4 + 16
    assert larger.sum() == 16
    assert images[0, 0, 1, 1] == 9


def test_corners_that_touch_are_one_hole() -> None:
    seen: Seen = []
    mask = blank(16, 16, (1, 1, 3, 3), (3, 3, 5, 5))
    fill_holes(filler(seen), torch.zeros(1, 1, 16, 16, dtype=torch.uint8), mask, 16, 0.5)
    assert len(seen) == 1


def test_beyond_the_edge_the_edge_goes_on() -> None:
    seen: Seen = []
    images = torch.arange(4, dtype=torch.uint8).view(1, 1, 4, 1).expand(1, 1, 4, 16)
    fill_holes(filler(seen), images, blank(4, 16, (0, 0, 2, 2)), 16, 0.4)
    ((window, hole),) = seen
    assert window[0, 0, :, 5].tolist() == [0, 1, 2] + [3] * 13
    assert not hole[0, 0, 4:].any()


def test_colour_through_a_grey_network_is_channel_by_channel() -> None:
    seen: Seen = []
    image = torch.stack([torch.full((16, 16), value, dtype=torch.uint8) for value in (1, 2, 3)])
    fill_any(filler(seen), image, blank(16, 16, (0, 0, 4, 4)), 1, 16, 0.4)
    assert [int(window[0, 0, -1, -1]) for window, _ in seen] == [1, 2, 3]
