"""From volumes to silhouettes and back: projection along parallel rays, and the visual hull.

A volume's axes are depth (away from the viewer of the front view), height (downwards) and width. A view is either
degrees by which the camera goes around the vertical axis, or "top": columns lie along the width for 0 and for "top",
along the depth for 90.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

View = int | str


def turned(volumes: Tensor, yaw: Tensor) -> Tensor:
    """Volumes (N, D, D, D) as a camera sees them that has gone around the vertical axis by ``yaw`` (N,) radians.

    Trilinear sampling, 0 outside; heights do not mix, so it is a bilinear one of D channels, which takes an eighth of
    the time of ``grid_sample`` on volumes.
    """
    cos, sin, zero = yaw.cos(), yaw.sin(), torch.zeros_like(yaw)
    turn = torch.stack([torch.stack([cos, -sin, zero], 1), torch.stack([sin, cos, zero], 1)], 1)
    slices = volumes.transpose(1, 2)  # (N, height, depth, width)
    grid = F.affine_grid(turn, list(slices.shape), align_corners=False)
    return F.grid_sample(slices, grid, align_corners=False).transpose(1, 2)


def project(volumes: Tensor, yaw: Tensor, absorption: float = 1.0) -> Tensor:
    """Differentiable silhouettes of volumes (Gadelha et al. 2017, eq. 1): 1 - exp(-absorption * sum over depth).

    Args:
        volumes: (N, D, D, D) in [0, 1].
        yaw: (N,) radians of the camera around the vertical axis.
        absorption: of a full voxel; the paper has 1, with which a ray through a single one is grey (0.63).

    Returns:
        (N, D, D) in [0, 1): heights and columns.
    """
    return 1 - torch.exp(-absorption * turned(volumes, yaw).sum(1))


def silhouettes_of(volumes: Tensor, views: Sequence[View]) -> Tensor:
    """Silhouettes bool (N, V, D, D) of volumes (N, D, D, D) of 0 and 1; in a turned view half a voxel is enough."""
    found = []
    for view in views:
        if view == "top":
            found.append(volumes.bool().any(2))
            continue
        yaw = torch.full((len(volumes),), float(view), device=volumes.device).deg2rad()
        found.append((turned(volumes.float(), yaw) > 0.5).any(1))
    return torch.stack(found, 1)


def visual_hull(silhouettes: Tensor, views: Sequence[View], size: int) -> Tensor:
    """The largest shapes that have these silhouettes: what all cones have in common, bool (N, size, size, size).

    A voxel stays where, in each view, one of the four pixels around its centre's projection is on. So the hull contains
    every shape whose parts are as thick as a pixel, whatever its parts that no view shows.

    Args:
        silhouettes: (N, V, S, S), 0 where a pixel is off.
        views: V of them.
        size: voxels along a side.
    """
    seen = silhouettes.bool()
    hull = torch.ones(len(seen), size, size, size, dtype=torch.bool, device=seen.device)
    centres = (torch.arange(size, device=seen.device) + 0.5) / size
    rows = _between(centres, seen.shape[-1])
    for number, view in enumerate(views):
        image = seen[:, number]
        if view == "top":
            hull &= _any_of(image, rows, rows)[:, :, None, :]
            continue
        turn = torch.deg2rad(torch.tensor(float(view), device=seen.device))
        across = (centres - 0.5) * turn.cos() + ((centres - 0.5) * turn.sin())[:, None] + 0.5  # (depth, width)
        columns = _between(across.flatten(), seen.shape[-1])
        found = _any_of(image, rows, columns).view(len(seen), size, size, size)  # height, depth, width
        hull &= found.transpose(1, 2)
    return hull


def _between(places: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """The pixels whose centres lie before and behind places (K,) in [0, 1]; both the same where a centre is met."""
    exact = places.double() * side - 0.5
    nearest = exact.round()
    met = (exact - nearest).abs() < 1e-4  # float32 does not meet it exactly
    before, behind = torch.where(met, nearest, exact.floor()), torch.where(met, nearest, exact.ceil())
    return before.long().clamp(0, side - 1), behind.long().clamp(0, side - 1)


def _any_of(image: Tensor, rows: tuple[Tensor, Tensor], columns: tuple[Tensor, Tensor]) -> Tensor:
    """Whether one of the four pixels of image (N, S, S) is on, for each pair of places: (N, rows, columns) bool."""
    tall = image[:, rows[0]] | image[:, rows[1]]
    return tall[:, :, columns[0]] | tall[:, :, columns[1]]
