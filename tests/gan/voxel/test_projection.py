"""Projection and visual hull: closed forms, gradients, and what always holds."""

import math

import pytest
import torch

from leyden.data.source.volumes.shapes3d import Shapes3d
from leyden.gan.voxel.projection import project, silhouettes_of, turned, visual_hull

NONE = torch.zeros(1)


def random_volumes(count: int = 2, size: int = 8) -> torch.Tensor:
    return torch.rand(count, size, size, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_projection_is_one_minus_exp_of_the_sum() -> None:
    volumes = random_volumes()
    expected = 1 - torch.exp(-0.5 * volumes.sum(1))
    torch.testing.assert_close(project(volumes, torch.zeros(2, dtype=torch.float64), 0.5), expected)
    one = torch.zeros(1, 4, 4, 4)
    one[0, 2, 1, 3] = 1
    image = project(one, NONE)
    assert image[0, 1, 3].item() == pytest.approx(1 - math.exp(-1))
    assert image.count_nonzero() == 1


def test_quarter_turn_shows_depth_as_columns() -> None:
    volumes = random_volumes()
    yaw = torch.full((2,), math.pi / 2, dtype=torch.float64)
    torch.testing.assert_close(project(volumes, yaw), 1 - torch.exp(-volumes.sum(3).transpose(1, 2)))
    back = turned(turned(volumes, yaw), -yaw)
    torch.testing.assert_close(back, volumes)


def test_behind_is_the_mirror_image() -> None:
    volumes = random_volumes()
    front, back = (project(volumes, torch.full((2,), angle, dtype=torch.float64)) for angle in (0.0, math.pi))
    torch.testing.assert_close(back, front.flip(2))


def test_projection_agrees_with_exact_silhouettes() -> None:
    """The camera of generated shapes goes around the same way: a mirrored one would not reach this."""
    columns = Shapes3d(train_each=20, val_each=1, test_each=1, views=[0, 30, 90, 135], silhouette_size=16).split(
        "train"
    )
    volumes, exact = columns.columns.volumes.float(), columns.columns.silhouettes.bool()
    for number, degrees in enumerate((0, 30, 90, 135)):
        yaw = torch.full((len(volumes),), float(degrees)).deg2rad()
        seen = project(volumes, yaw, 3.0) > 0.7
        shared, either = (seen & exact[:, number]).sum(), (seen | exact[:, number]).sum()
        assert shared / either > 0.9, degrees


def test_gradient_of_the_projection() -> None:
    """dP / dV = absorption exp(-absorption sum), the same for all voxels of a ray; numerically for a turned one."""
    volumes = random_volumes(1, 4).requires_grad_()
    project(volumes, torch.zeros(1, dtype=torch.float64), 2.0).sum().backward()
    expected = 2 * torch.exp(-2 * volumes.detach().sum(1, keepdim=True)).expand_as(volumes)
    torch.testing.assert_close(volumes.grad, expected)
    yaw = torch.tensor([0.4], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda v: project(v, yaw, 2.0), [random_volumes(1, 3).requires_grad_()])


def test_hull_of_axis_silhouettes_contains_every_shape() -> None:
    views = [0, 90, "top"]
    shapes = torch.rand(30, 6, 6, 6, generator=torch.Generator().manual_seed(0)) > 0.9
    hull = visual_hull(silhouettes_of(shapes, views), views, 6)
    assert not (shapes & ~hull).any()
    assert (hull & ~shapes).any()
    torch.testing.assert_close(silhouettes_of(hull, views), silhouettes_of(shapes, views))  # and has its silhouettes
    torch.testing.assert_close(visual_hull(silhouettes_of(hull, views), views, 6), hull)


def test_hull_of_a_block_is_the_block() -> None:
    block = torch.zeros(1, 4, 4, 4, dtype=torch.bool)
    block[0, :3, :2, 1:3] = True
    views = [0, 90, "top"]
    silhouettes = silhouettes_of(block, views)
    assert [int(silhouettes[0, i].sum()) for i in range(3)] == [4, 6, 6]
    torch.testing.assert_close(visual_hull(silhouettes, views, 4), block)


@pytest.mark.parametrize("size", [16, 32])
def test_hull_contains_generated_shapes_from_any_side(size: int) -> None:
    views = [0, 30, 77, 90, 135, "top"]
    columns = Shapes3d(size=size, views=views, train_each=1, val_each=15, test_each=1).split("val").columns
    shapes, recalls, shares = columns.volumes.bool(), [], []
    for count in (1, 2, 6):
        hull = visual_hull(columns.silhouettes[:, :count], views[:count], size)
        recalls.append(bool((shapes & ~hull).any()))
        shares.append(hull.float().mean().item())
    assert recalls == [False, False, False]
    assert shares[0] > shares[1] > shares[2]
