"""Shapes of boxes and upright cylinders: exact occupancy of voxels and exact silhouettes, in closed form.

The world is the cube [0, 1]^3 with x to the right, y downwards and z away from the viewer of the front view; a volume's
axes are (z, y, x). Parts are convex and stand upright, so that, seen horizontally, the silhouette of each is an upright
rectangle, and that of a shape is the union of its parts' silhouettes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

AT_ONCE = 2**20
"""Voxels of shapes that are computed together: what lies between takes some 10 MB."""


class Parts(NamedTuple):
    """N shapes of P parts each, in a frame of each shape's own that is turned and moved into the world."""

    round: Tensor
    """(N, P) bool: an elliptical cylinder instead of a box."""
    centre: Tensor
    """(N, P, 3) x, y, z; x and z from the shape's axis, y in the world."""
    half: Tensor
    """(N, P, 3) half the extent in x, y, z; a part whose half height is negative is not there."""
    yaw: Tensor
    """(N,) radians by which a shape is turned about its axis."""
    axis: Tensor
    """(N, 2) where its axis stands, x and z."""


def occupancy(parts: Parts, size: int) -> Tensor:
    """Which voxels' centres lie in a part: uint8 (N, size, size, size), 0 or 1, axes z, y, x."""
    return torch.cat([_occupancy(some, size) for some in _chunks(parts, size)])


def silhouettes(parts: Parts, size: int, views: Sequence[int | str]) -> Tensor:
    """Which pixels' centres are hit by a part along parallel rays: uint8 (N, V, size, size), 0 or 1.

    Args:
        parts: the shapes.
        size: side in pixels.
        views: of each either degrees by which the camera goes around the cube's vertical axis (0: the front, columns
            along x; 90: columns along z), or "top" (columns along x, rows along z).
    """
    drawn = [
        torch.stack([_top(some, size).any(1) if view == "top" else _side(some, size, float(view)) for view in views], 1)
        for some in _chunks(parts, size)
    ]
    return torch.cat(drawn).to(torch.uint8)


def _chunks(parts: Parts, size: int) -> list[Parts]:
    pieces = zip(*(column.split(max(1, AT_ONCE // size**3)) for column in parts), strict=True)
    return [Parts(*piece) for piece in pieces]


def _centres(size: int) -> Tensor:
    return (torch.arange(size) + 0.5) / size


def _rows(parts: Parts, size: int) -> Tensor:
    """Which heights (N, P, Y) a part has."""
    return (_centres(size) - parts.centre[..., 1:2]).abs() <= parts.half[..., 1:2]


def _top(parts: Parts, size: int) -> Tensor:
    """What each part covers seen from above, (N, P, Z, X) bool."""
    along = _centres(size)
    x, z = (along - parts.axis[:, i, None] for i in range(2))
    cos, sin = parts.yaw.cos()[:, None, None], parts.yaw.sin()[:, None, None]
    own_x, own_z = cos * x[:, None, :] - sin * z[:, :, None], sin * x[:, None, :] + cos * z[:, :, None]
    centre, half = parts.centre[..., None, None], parts.half[..., None, None]
    dx, dz = ((own[:, None] - centre[:, :, i]) / half[:, :, i] for own, i in ((own_x, 0), (own_z, 2)))
    inside = torch.where(parts.round[..., None, None], dx**2 + dz**2 <= 1, (dx.abs() <= 1) & (dz.abs() <= 1))
    return inside & (parts.half[:, :, 1] >= 0)[..., None, None]


def _side(parts: Parts, size: int, degrees: float) -> Tensor:
    """The silhouette (N, Y, U) seen horizontally."""
    turn = torch.deg2rad(torch.tensor(degrees))
    axis = (parts.axis[:, 0] - 0.5) * turn.cos() + (parts.axis[:, 1] - 0.5) * turn.sin() + 0.5
    cos, sin = (parts.yaw + turn).cos()[:, None], (parts.yaw + turn).sin()[:, None]
    middle = axis[:, None] + parts.centre[..., 0] * cos + parts.centre[..., 2] * sin
    a, b = (parts.half[..., 0] * cos).abs(), (parts.half[..., 2] * sin).abs()
    wide = torch.where(parts.round, (a**2 + b**2).sqrt(), a + b)
    columns = (_centres(size) - middle[..., None]).abs() <= wide[..., None]
    return (_rows(parts, size)[..., :, None] & columns[..., None, :]).any(1)


def _occupancy(parts: Parts, size: int) -> Tensor:
    top, rows = _top(parts, size), _rows(parts, size)
    return (top[:, :, :, None, :] & rows[:, :, None, :, None]).any(1).to(torch.uint8)
