"""What ``leyden predict`` writes of a shape: a row, an image, and files that other programs read."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from leyden.gan.voxel.mesh import mesh_of, obj_bytes, ply_bytes
from leyden.visualization.generated.voxels import turn, turning_gif


def shape_row(field: Tensor, threshold: float) -> dict[str, Any]:
    """``voxels`` that are occupied, their ``share`` of the volume, and the ``mean`` of a field (D, D, D) in [0, 1]."""
    full = field > threshold
    share, mean = (round(value.float().mean().item(), digits) for value, digits in ((full, 4), (field, 6)))
    return {"voxels": int(full.sum()), "share": share, "mean": mean}


def shape_files(field: Tensor, threshold: float) -> Mapping[str, bytes]:
    """A turning "gif", and the closed surface as "obj" and "ply"; without these where there is none.

    Args:
        field: (D, D, D) in [0, 1].
        threshold: what is above it is occupied.
    """
    files = {"gif": turning_gif(turn(field > threshold))}
    mesh = mesh_of(field, threshold)
    return files if mesh is None else files | {"obj": obj_bytes(mesh), "ply": ply_bytes(mesh)}
