"""Surfaces: closed, oriented, of the right size, and files that others read."""

import numpy as np
import pytest
import torch

from leyden.data.source.volumes.shapes3d import Shapes3d
from leyden.gan.voxel.files import shape_files
from leyden.gan.voxel.mesh import Mesh, enclosed_volume, is_watertight, mesh_of, obj_bytes, ply_bytes

TETRAHEDRON = Mesh(
    np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32),
    np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]),
)


def block() -> torch.Tensor:
    """Half of a cube of 8^3: all depths and widths, the upper heights, up to the edges."""
    volume = torch.zeros(8, 8, 8)
    volume[:, :4] = 1
    return volume


def test_tetrahedron_is_closed_until_a_face_is_gone() -> None:
    assert is_watertight(TETRAHEDRON)
    assert enclosed_volume(TETRAHEDRON) == pytest.approx(1 / 6)
    assert not is_watertight(TETRAHEDRON._replace(faces=TETRAHEDRON.faces[1:]))
    assert not is_watertight(TETRAHEDRON._replace(faces=TETRAHEDRON.faces[[0, 1, 2, 2]]))
    turned = TETRAHEDRON.faces.copy()
    turned[0] = turned[0, ::-1]
    assert not is_watertight(TETRAHEDRON._replace(faces=turned))


def test_shape_at_the_edge_is_closed_and_upright() -> None:
    mesh = mesh_of(block())
    assert mesh is not None
    assert is_watertight(mesh)
    assert enclosed_volume(mesh) == pytest.approx(0.5, abs=0.02)
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    np.testing.assert_allclose(low, [0, 0.5, 0], atol=1e-6)  # y points upwards, so the upper half
    np.testing.assert_allclose(high, [1, 1, 1], atol=1e-6)


def test_generated_shapes_and_fields_have_closed_surfaces() -> None:
    shapes = Shapes3d(train_each=1, val_each=3, test_each=1).split("val").columns.volumes
    fields = [*shapes.float(), *torch.rand(5, 8, 8, 8, generator=torch.Generator().manual_seed(0))]
    for field in fields:
        for level in (0.1, 0.5):
            mesh = mesh_of(field, level)
            assert mesh is not None
            assert is_watertight(mesh)
            assert enclosed_volume(mesh) > 0


def test_no_surface_where_nothing_is_full_or_none_is_closed() -> None:
    assert mesh_of(torch.zeros(4, 4, 4)) is None
    corners = torch.zeros(4, 4, 4)
    corners[1, 1, 1] = corners[2, 2, 1] = 1  # two voxels that share an edge
    mesh = mesh_of(corners)
    assert mesh is None or is_watertight(mesh)
    assert shape_files(torch.zeros(4, 4, 4), 0.5).keys() == {"gif"}


def test_files_hold_the_surface() -> None:
    obj, ply = obj_bytes(TETRAHEDRON).decode().split("\n"), ply_bytes(TETRAHEDRON).decode()
    assert [line for line in obj if line.startswith("f")] == ["f 1 3 2", "f 1 2 4", "f 1 4 3", "f 2 3 4"]
    assert obj[1] == "v 1.000000 0.000000 0.000000"
    head, body = ply.split("end_header\n")
    assert "element vertex 4\n" in head
    assert "element face 4\n" in head
    assert body.split("\n")[4:8] == ["3 0 2 1", "3 0 1 3", "3 0 3 2", "3 1 2 3"]
    files = shape_files(block(), 0.5)
    assert files.keys() == {"gif", "obj", "ply"}
    assert files["gif"].startswith(b"GIF89a")


def test_surface_that_is_not_closed_is_never_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leyden.gan.voxel.mesh.is_watertight", lambda mesh: False)
    assert mesh_of(block()) is None
    assert shape_files(block(), 0.5).keys() == {"gif"}
