import pytest
import torch
from torch import Tensor

from leyden.data.inspection.inspect import inspect
from leyden.data.source.builtin.faces import Faces
from leyden.data.source.pairs_of_images.faces_sunglasses import (
    EDITED_ROWS,
    SIDE,
    FacesDomain,
    FacesSunglasses,
    draw_sunglasses,
)
from leyden.data.source.pairs_of_images.pair_source import OfAttribute
from leyden.data.splits import STAGES


def bytes_of(images: Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in images}


def test_splits_are_those_of_the_faces() -> None:
    source, faces = FacesSunglasses(), Faces()
    for stage, count in zip(STAGES, (60, 10, 30), strict=True):
        pairs, known = source.split(stage).columns, faces.split(stage).columns
        assert torch.equal(pairs.a, known.images[known.labels == 0])
        assert pairs.a.shape == pairs.b.shape == (count, 1, 25, 25)


def test_glasses_darken_the_eyes_alone() -> None:
    first, last = (round(SIDE * part) for part in EDITED_ROWS)
    for stage in STAGES:
        a, b = FacesSunglasses().split(stage).columns
        assert torch.equal(a[..., :first, :], b[..., :first, :])
        assert torch.equal(a[..., last:, :], b[..., last:, :])
        eyes = (slice(None), slice(None), slice(8, 10))
        dark = torch.cat([b[*eyes, 5:8], b[*eyes, 13:16]], 3)
        assert (dark < 75).float().mean() > 0.95
        nose = (slice(None), 0, slice(10, 12), 10)
        assert (a[nose].float() - b[nose]).abs().mean() < 10


def test_no_glasses_leave_the_band() -> None:
    generator, face = torch.Generator().manual_seed(0), torch.full((1, SIDE, SIDE), 200, dtype=torch.uint8)
    first, last = (round(SIDE * part) for part in EDITED_ROWS)
    for _ in range(300):
        changed = (draw_sunglasses(face, generator) != face)[0].any(1).nonzero()
        assert first <= changed.min()
        assert changed.max() < last
        assert len(changed) >= 4


def test_glasses_differ_by_seed_and_face() -> None:
    one, same, other = (FacesSunglasses(seed).split("test").columns.b for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    worn = FacesSunglasses().split("train").columns
    masks = (worn.a != worn.b).flatten(1)
    assert len(bytes_of(masks)) == 60


def test_no_face_trains_both_domains() -> None:
    without, worn = FacesDomain("without"), FacesDomain("with")
    a, b = (source.split("train").columns.images for source in (without, worn))
    assert len(a) == len(b) == 30
    assert not bytes_of(a[:, :, 13:]) & bytes_of(b[:, :, 13:])  # chins, which glasses do not hide
    pairs = FacesSunglasses().split("test").columns
    assert torch.equal(without.split("test").columns.images, pairs.a)
    assert torch.equal(worn.split("test").columns.images, pairs.b)


def test_all_three_know_the_attribute() -> None:
    pairs, without, worn = FacesSunglasses(), FacesDomain("without"), FacesDomain("with")
    assert all(isinstance(source, OfAttribute) for source in (pairs, without, worn))
    assert not isinstance(Faces(), OfAttribute)
    for own, same in zip(pairs.both_domains("train"), without.both_domains("train"), strict=True):
        assert torch.equal(own, same)
    assert torch.equal(worn.both_domains("test")[0], pairs.split("test").columns.b)
    with pytest.raises(ValueError, match="one of without, with"):
        FacesDomain("both")


def test_check_data_sees_pairs_side_by_side() -> None:
    seen = inspect(FacesSunglasses())
    assert {stage: len(split) for stage, split in seen.splits.items()} == {"train": 60, "val": 10, "test": 30}
    assert seen.splits["test"][0].images.shape == (1, 25, 50)
    assert not seen.issues
