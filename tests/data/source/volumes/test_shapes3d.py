"""Generated furniture: what is held out, what silhouettes and volumes have to do with each other, bad input."""

import pytest
import torch
from torch import Tensor

from leyden.data.source.volumes.furniture import DRAWN, FURNITURE, furniture
from leyden.data.source.volumes.geometry import Parts, occupancy, silhouettes
from leyden.data.source.volumes.shapes3d import Shapes3d
from leyden.data.source.volumes.views import KnowsVolumes, ShapeViews

FEW = {"train_each": 12, "val_each": 4, "test_each": 6}


@pytest.fixture(scope="module")
def source() -> Shapes3d:
    return Shapes3d(**FEW)


def one_part(half: tuple[float, float, float], yaw: float = 0.0, is_round: bool = False) -> Parts:
    """A part in the middle of the cube."""
    return Parts(
        torch.tensor([[is_round]]),
        torch.tensor([[[0.0, 0.5, 0.0]]]),
        torch.tensor([[half]]),
        torch.tensor([yaw]).deg2rad(),
        torch.full((1, 2), 0.5),
    )


def test_box_fills_its_share_exactly() -> None:
    box = one_part((0.25, 0.125, 0.5))  # half extents in x, y, z
    volume = occupancy(box, 16)[0]
    assert volume.sum() == 8 * 4 * 16
    assert volume.any(2).any(1).all()  # depth is the first axis
    front, side, top = silhouettes(box, 16, [0, 90, "top"])[0]
    assert [int(image.sum()) for image in (front, side, top)] == [4 * 8, 4 * 16, 16 * 8]
    torch.testing.assert_close(front, volume.amax(0))
    torch.testing.assert_close(side, volume.amax(2).T)
    torch.testing.assert_close(top, volume.amax(1))


def test_turned_box_is_seen_as_wide_as_it_is() -> None:
    box = one_part((0.25, 0.125, 0.125), yaw=30.0)
    for view in (0, 30, 60, 150):
        angle = torch.tensor(float(30 + view)).deg2rad()
        wide = 0.25 * angle.cos().abs() + 0.125 * angle.sin().abs()
        columns = silhouettes(box, 512, [view])[0, 0].amax(0).sum().item()
        assert columns == pytest.approx(2 * 512 * wide.item(), abs=1)


def test_cylinder_has_its_area_from_above_and_its_width() -> None:
    disc = one_part((0.25, 0.125, 0.25), yaw=17.0, is_round=True)
    assert silhouettes(disc, 512, ["top"]).sum().item() / 512**2 == pytest.approx(torch.pi / 16, rel=1e-3)
    assert all(int(silhouettes(disc, 512, [view])[0, 0].amax(0).sum()) == 256 for view in (0, 45, 77))


def test_absent_part_is_nowhere() -> None:
    gone = one_part((0.25, -1.0, 0.25))
    assert not occupancy(gone, 16).any()
    assert not silhouettes(gone, 16, [0, 33, "top"]).any()


@pytest.mark.parametrize("size", [16, 24, 32])
def test_sizes_have_the_same_shapes(size: int) -> None:
    source = Shapes3d(size=size, silhouette_size=size, **FEW)
    share = source.split("val").columns.volumes.float().mean()
    other = Shapes3d(**FEW).split("val").columns.volumes.float().mean()
    assert source.split("val").columns.volumes.shape == (16, size, size, size)
    assert share.item() == pytest.approx(other.item(), rel=0.1)


def test_shapes_stay_inside_the_cube() -> None:
    u = torch.rand(200, DRAWN, generator=torch.Generator().manual_seed(0))
    for kind in FURNITURE:
        parts = furniture(kind, torch.full((200,), 0.95), u, 180.0, 1.0)
        there = parts.half[..., 1] >= 0
        low, high = (parts.centre[..., 1] - parts.half[..., 1]), (parts.centre[..., 1] + parts.half[..., 1])
        assert low[there].min() > -1e-5
        assert high[there].max() < 1 + 1e-5
        assert silhouettes(parts, 16, [0]).any(dim=(1, 2, 3)).all(), kind


def test_test_alone_has_a_class_and_sizes(source: Shapes3d) -> None:
    labels = {stage: source.split(stage).columns.labels for stage in ("train", "val", "test")}
    assert labels["train"].unique().tolist() == labels["val"].unique().tolist() == [0, 1, 2, 3]
    assert labels["test"].unique().tolist() == [0, 1, 2, 3, 4]
    assert source.class_names[4] == source.held_out == "bed"
    u = torch.linspace(0, 0.999, 1000)
    seen, unseen = source._sizes(u, "train"), source._sizes(u, "test")
    assert ((seen < 0.72) | (seen >= 0.82)).all()
    assert ((unseen >= 0.72) & (unseen < 0.82)).all()
    assert seen.min() == pytest.approx(0.6)
    assert seen.max() == pytest.approx(0.95, abs=1e-3)


def test_shape_is_a_function_of_its_seed_alone(source: Shapes3d) -> None:
    again, more, other = Shapes3d(**FEW), Shapes3d(**{**FEW, "classes": ["chair"]}), Shapes3d(**FEW, seed=1)
    volumes = source.split("train").columns.volumes
    torch.testing.assert_close(volumes, again.split("train").columns.volumes)
    torch.testing.assert_close(volumes[12:24], more.split("train").columns.volumes)  # chairs are what they were
    assert not torch.equal(volumes, other.split("train").columns.volumes)


def test_parts_hide_from_the_front(source: Shapes3d) -> None:
    """Shapes with equal front silhouettes differ: what the first view does not show cannot be looked up in it."""
    sofa = Shapes3d(**{**FEW, "classes": ["sofa"], "held_out": None, "yaw": 0.0, "place": 0.0}).split("train").columns
    front, volume = sofa.silhouettes[:, 0].bool(), sofa.volumes.bool()
    filled = torch.nn.functional.max_pool2d(front.float(), 2).bool()[:, None] & volume.any(dim=(2, 3))[:, :, None, None]
    assert (filled & ~volume).flatten(1).any(1).all()  # the seat's hollow, between arms and back


@pytest.mark.parametrize(
    ("wrong", "cure"),
    [
        ({"size": 20}, "16, 24, 32 or 64"),
        ({"silhouette_size": 24}, "a multiple of"),
        ({"views": ["left"]}, "'left' is neither"),
        ({"classes": ["table", "piano"]}, "no class 'piano'"),
        ({"classes": ["table", "bed"]}, "each class once"),
        ({"train_each": 0}, "one shape or more"),
        ({"held_out_sizes": [0.9, 0.7]}, "two sizes from"),
    ],
)
def test_bad_options_name_the_cure(wrong: dict[str, object], cure: str) -> None:
    with pytest.raises(ValueError, match=cure):
        Shapes3d(**wrong)  # type: ignore[arg-type]


def test_views_are_one_silhouette_of_each_shape(source: Shapes3d) -> None:
    views = ShapeViews(source)
    images, labels = views.split("val").columns
    all_of_them = source.split("val").columns
    assert isinstance(views, KnowsVolumes)
    assert images.shape == (16, 1, 32, 32)
    assert images.unique().tolist() == [0, 255]
    torch.testing.assert_close(labels, all_of_them.labels)
    torch.testing.assert_close(views.volumes("val"), all_of_them.volumes)
    match: Tensor = (images / 255 == all_of_them.silhouettes).flatten(2).all(2)
    assert match.any(1).all()
    assert len({int(row.long().argmax()) for row in match}) > 1  # not always the same view
