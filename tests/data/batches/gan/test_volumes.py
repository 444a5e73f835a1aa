"""Batches of volumes."""

import pytest

from leyden.data.batches.gan.volumes import VolumeData
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.volumes.shapes3d import Shapes3d


def source() -> Shapes3d:
    return Shapes3d(train_each=5, val_each=2, test_each=2)


def test_batches_have_the_first_views() -> None:
    data = VolumeData(source(), views=2, batch_size=4)
    data.prepare_data()
    batch = next(iter(data.train_dataloader()))
    assert batch.silhouettes.shape == (4, 2, 32, 32)
    assert batch.volumes.shape == (4, 16, 16, 16)
    assert batch.views.tolist() == [[0, 1]] * 4
    assert data.spec == {
        "class_names": ["table", "chair", "lamp", "sofa", "bed"],
        "views": [0, 90],
        "volume_size": 16,
        "image_size": 32,
    }
    assert len(data.whole("test").labels) == 10


def test_more_views_than_there_are_are_refused() -> None:
    with pytest.raises(ValueError, match=r"data.views=4: shapes3d has 3"):
        VolumeData(source(), views=4)


def test_images_are_no_volumes() -> None:
    with pytest.raises(ValueError, match="produces images, VolumeData consumes volumes"):
        VolumeData(Digits())  # type: ignore[arg-type]
