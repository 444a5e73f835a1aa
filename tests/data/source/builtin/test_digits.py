import torch
from sklearn.datasets import load_digits

from leyden.data.source.builtin.digits import Digits


def test_splits_are_all_digits_once_and_never_change() -> None:
    parts = [Digits().split(stage) for stage in ("train", "val", "test")]
    assert [len(part) for part in parts] == [1078, 180, 539]
    images = torch.cat([part.columns.images for part in parts])
    known = torch.from_numpy(load_digits().images * 255 / 16).round().to(torch.uint8)
    assert sorted(bytes(image.numpy()) for image in images) == sorted(bytes(image.numpy()) for image in known)
    assert images.max() == 255
    again = Digits().split("val")
    assert torch.equal(parts[1].columns.images, again.columns.images)


def test_splits_are_stratified() -> None:
    for stage, share in (("train", 0.6), ("val", 0.1), ("test", 0.3)):
        counts = Digits().split(stage).columns.labels.bincount()
        assert (counts - share * torch.bincount(torch.from_numpy(load_digits().target))).abs().max() <= 1
