import hashlib

import pytest
import torch

from leyden.data.source.builtin import mnist
from leyden.data.source.builtin.mnist import STRIPS, Mnist5000, MnistM, blend, mnist_rows, strips
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
    monkeypatch.setattr(mnist, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'leyden\[digits\]'"):
        Mnist5000()


def test_strokes_turn_the_colours_round() -> None:
    background = torch.tensor([[200, 10, 90]], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 1, 2)
    digit = torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 1, 2)
    assert blend(background, digit).flatten(2)[0].T.tolist() == [[200, 10, 90], [55, 245, 165]]


def test_digits_and_splits_are_those_of_mnist_5000() -> None:
    coloured, grey = MnistM().split("test").columns, Mnist5000().split("test").columns
    assert coloured.images.shape == (1000, 3, 28, 28)
    assert torch.equal(coloured.labels, grey.labels)
    # black and white pixels differ most: where the digit is white, the image is the background's negative
    backgrounds = blend(coloured.images, grey.images)  # the same operation takes it back where the digit is 0 or 255
    sure = (grey.images == 0) | (grey.images == 255)
    again = blend(backgrounds, grey.images)
    assert torch.equal(again[sure.expand_as(again)], coloured.images[sure.expand_as(again)])
    assert coloured.images.float().std(0).mean() > 30  # photographs, not one colour


def test_same_seed_same_images() -> None:
    first, same, other = (MnistM(seed).split("val").columns.images for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_no_pixel_of_a_photograph_is_in_two_splits() -> None:
    edges = [STRIPS[stage] for stage in STAGES]
    assert edges[0][1] == edges[1][0]
    assert edges[1][1] == edges[2][0]
    widths = [[strip.shape[2] for strip in strips(stage)] for stage in STAGES]
    assert [len(own) for own in widths] == [8, 8, 8]
    assert min(min(own) for own in widths) >= 28
