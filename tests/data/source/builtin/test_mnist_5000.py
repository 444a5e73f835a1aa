import hashlib

import pytest
import torch

from leyden.data.source.builtin import mnist_5000
from leyden.data.source.builtin.mnist_5000 import Mnist5000, mnist_rows
from leyden.data.splits import STAGES


def test_the_package_s_digits_are_known() -> None:
    """A new release with other rows would change every figure that was measured."""
    images, labels = mnist_rows()
    assert (images.shape, images.dtype, labels.dtype) == ((5000, 1, 28, 28), torch.uint8, torch.int64)
    assert labels.bincount().tolist() == [500] * 10
    hashes = [hashlib.sha256(part.numpy().tobytes()).hexdigest()[:16] for part in (images, labels)]
    assert hashes == ["2913c6b6527114b7", "c3556f4a243d7dc7"]


def test_splits_are_all_digits_once() -> None:
    parts = [Mnist5000().split(stage).columns for stage in STAGES]
    assert [part.labels.bincount().tolist() for part in parts] == [[350] * 10, [50] * 10, [100] * 10]
    images = torch.cat([part.images for part in parts])
    assert sorted(bytes(image.numpy()) for image in images) == sorted(bytes(image.numpy()) for image in mnist_rows()[0])


def test_a_crop_is_the_centre() -> None:
    cropped, whole = (Mnist5000(crop) for crop in (22, 28))
    assert cropped.image_size == 22
    first, same = (source.split("val").columns.images for source in (cropped, whole))
    assert torch.equal(first, same[:, :, 3:25, 3:25])
    assert first.sum() > 0.99 * same.sum()  # it is margin that is cut off
    with pytest.raises(ValueError, match=r"data\.source\.crop=30: should be 8 to 28"):
        Mnist5000(30)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    mnist_rows.cache_clear()
    monkeypatch.setattr(mnist_5000, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'leyden\[digits\]'"):
        Mnist5000()
