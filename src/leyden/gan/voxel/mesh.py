"""Closed surfaces of volumes by marching cubes, and the files that other programs read: OBJ and PLY."""

from typing import NamedTuple

import numpy as np
from skimage.measure import marching_cubes
from torch import Tensor


class Mesh(NamedTuple):
    """A surface of triangles, in a unit cube: x to the right, y upwards, z towards the viewer of the front view."""

    vertices: np.ndarray
    """(V, 3) float32."""
    faces: np.ndarray
    """(F, 3) int64, places in ``vertices``, anticlockwise as seen from outside."""


def mesh_of(field: Tensor, level: float = 0.5) -> Mesh | None:
    """The surface where a field passes a level; None where there is none that is closed.

    The field is padded by empty voxels, so that a shape at the edge is closed there, too. Where the surface through the
    probabilities is not closed, that of the voxels above the level is taken.

    Args:
        field: (D, D, D) in [0, 1], probabilities or 0 and 1.
        level: in (0, 1).
    """
    values = field.detach().float().cpu().numpy()
    full = values > level
    if not full.any():
        return None
    for candidate, at in ((values, level), (full.astype(np.float32), 0.5)):
        mesh = _marched(candidate, at)
        if is_watertight(mesh):
            return mesh
    return None


def _marched(values: np.ndarray, level: float) -> Mesh:
    # Two voxels of padding: at a single one a level near 0 would lie on the array's edge.
    vertices, faces, *_ = marching_cubes(np.pad(values, 2), level)
    z, y, x = ((vertices - 1.5) / len(values)).T
    mesh = Mesh(np.stack([x, 1 - y, 1 - z], 1).astype(np.float32), faces.astype(np.int64))
    return mesh if enclosed_volume(mesh) > 0 else mesh._replace(faces=mesh.faces[:, ::-1])


def is_watertight(mesh: Mesh) -> bool:
    """Whether every edge belongs to exactly two faces, which pass it in opposite directions."""
    faces = mesh.faces
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    _, counts = np.unique(directed, axis=0, return_counts=True)
    _, undirected = np.unique(np.sort(directed, axis=1), axis=0, return_counts=True)
    return bool(len(faces) and (counts == 1).all() and (undirected == 2).all())


def enclosed_volume(mesh: Mesh) -> float:
    """What a closed surface encloses, a share of the unit cube; negative where its faces look inwards."""
    a, b, c = mesh.vertices[mesh.faces].astype(np.float64).transpose(1, 0, 2)
    return float((a * np.cross(b, c)).sum() / 6)


def obj_bytes(mesh: Mesh) -> bytes:
    """The surface as Wavefront OBJ."""
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in mesh.vertices]
    lines += [f"f {a} {b} {c}" for a, b, c in mesh.faces + 1]
    return ("\n".join(lines) + "\n").encode()


def ply_bytes(mesh: Mesh) -> bytes:
    """The surface as PLY, in text."""
    head = ["ply", "format ascii 1.0", f"element vertex {len(mesh.vertices)}"]
    head += [f"property float {name}" for name in "xyz"]
    head += [f"element face {len(mesh.faces)}", "property list uchar int vertex_indices", "end_header"]
    lines = [f"{x:.6f} {y:.6f} {z:.6f}" for x, y, z in mesh.vertices]
    lines += [f"3 {a} {b} {c}" for a, b, c in mesh.faces]
    return ("\n".join([*head, *lines]) + "\n").encode()
