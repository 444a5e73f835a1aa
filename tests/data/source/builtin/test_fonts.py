import pytest
import torch

from leyden.data.source.builtin.fonts import Fonts, faces_of
from leyden.data.splits import STAGES
from leyden.data.typefaces import FACES, draw, vary


def test_splits_share_no_typeface() -> None:
    faces = [face for stage in STAGES for face in faces_of(stage)]
    assert sorted(faces) == sorted(FACES)
    assert [len(faces_of(stage)) for stage in STAGES] == [14, 2, 4]


def test_every_class_is_as_frequent() -> None:
    train = Fonts(image_size=16, per_face=3).split("train").columns
    assert train.images.shape == (14 * 10 * 3, 1, 16, 16)
    assert train.images.dtype == torch.uint8
    assert train.labels.bincount().tolist() == [14 * 3] * 10


def test_same_seed_same_images() -> None:
    first, again, other = (Fonts(16, per_face=1, seed=seed).split("val").columns.images for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_characters_fill_the_same_height() -> None:
    drawn = draw("0123456789", "DejaVuSans", 32)
    heights = [(glyph > 0.1).any(1).sum().item() for glyph in drawn]
    assert drawn.shape == (10, 64, 64)
    assert all(46 <= height <= 48 for height in heights)


def test_turned_characters_keep_their_ink() -> None:
    drawn = draw("8", "DejaVuSans", 32).expand(64, -1, -1)
    changed = vary(drawn, 15.0, torch.Generator().manual_seed(0)).float() / 255
    ink, brightness = changed.sum((1, 2, 3)), changed.amax((1, 2, 3))
    area = ink / brightness / (drawn[0].sum() / 4)
    assert area.min() > 0.6  # 0.8 squared
    assert area.max() < 1.3  # 1.1 squared
    assert brightness.min() > 0.55


def test_a_classifier_reads_unseen_typefaces() -> None:
    source = Fonts(image_size=16, per_face=4)
    train, test = (source.split(stage).columns for stage in ("train", "test"))
    nearest = torch.cdist(test.images.flatten(1).float(), train.images.flatten(1).float()).argmin(1)
    assert (train.labels[nearest] == test.labels).float().mean() > 0.75  # by raw pixels; chance is 0.1


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="per_face from 1"):
        Fonts(per_face=0)
