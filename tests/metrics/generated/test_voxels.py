"""IoU of voxels and what is made of it."""

import pytest
import torch

from leyden.metrics.generated.voxels import best_level, distinct, pairwise_iou, turned_and_mirrored, voxel_iou


def block(*size: int) -> torch.Tensor:
    """A block of voxels in the corner of 4^3."""
    volume = torch.zeros(4, 4, 4, dtype=torch.bool)
    volume[: size[0], : size[1], : size[2]] = True
    return volume


def test_iou_of_overlapping_blocks_is_two_thirds() -> None:
    small, large = block(2, 2, 2), block(3, 2, 2)
    assert voxel_iou(small[None], large[None]).item() == pytest.approx(2 / 3)
    assert small.any(0).sum() == 4
    assert large.any(1).sum() == 6


def test_pairs_are_what_single_ones_are() -> None:
    some = torch.rand(5, 4, 4, 4, generator=torch.Generator().manual_seed(0)) > 0.6
    others = torch.rand(3, 4, 4, 4, generator=torch.Generator().manual_seed(1)) > 0.6
    table = pairwise_iou(some, others)
    for i in range(5):
        for j in range(3):
            assert table[i, j].item() == pytest.approx(voxel_iou(some[i : i + 1], others[j : j + 1]).item())


def test_two_empty_shapes_are_alike() -> None:
    empty = torch.zeros(1, 2, 2, 2)
    assert voxel_iou(empty, empty).item() == pairwise_iou(empty, empty).item() == 1
    assert voxel_iou(empty, torch.ones(1, 2, 2, 2)).item() == 0


def test_distinct_shapes_are_counted_once() -> None:
    assert distinct(torch.stack([block(2, 2, 2), block(3, 2, 2), block(2, 2, 2)])) == 2


def test_shape_is_among_its_eight_positions() -> None:
    shape = torch.rand(1, 4, 4, 4, generator=torch.Generator().manual_seed(0)) > 0.5
    found = turned_and_mirrored(shape)
    assert distinct(found) == 8
    others = [shape.transpose(1, 3), shape.flip(3), shape.flip(1), shape.transpose(1, 3).flip(1)]
    assert pairwise_iou(torch.cat([shape, *others]), found).amax(1).tolist() == [1] * 5
    assert pairwise_iou(shape.flip(2), found).max() < 1  # never upside down


def test_mean_is_cut_where_it_is_most_like_the_shapes() -> None:
    """A quarter of the shapes is large: cut at one half the mean is the small one, cut lower the large one."""
    small, large = block(1, 1, 1), block(4, 4, 4)
    mostly_large = torch.stack([small, small, large, large]).float().mean(0) * 0.5  # 0.5 and 0.25
    assert best_level(mostly_large, torch.stack([large, large])) < 0.25
    assert best_level(mostly_large, torch.stack([small, small])) >= 0.25
