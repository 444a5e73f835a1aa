import logging

import pytest
import torch

from leyden.data.columns import Images
from leyden.data.images import ImageDataModule
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.tables import Tables
from leyden.data.splits import InMemory, Resized


def test_facts_come_from_the_source() -> None:
    spec = ImageDataModule(Digits()).spec
    assert spec == {"class_names": [str(i) for i in range(10)], "channels": 1, "image_size": 8}
    assert ImageDataModule(Digits(), image_size=12).spec["image_size"] == 12


def test_batches_are_uint8_at_the_chosen_size() -> None:
    data = ImageDataModule(Digits(), image_size=16, batch_size=10, eval_batch_size=100)
    images, labels = next(iter(data.train_dataloader()))
    assert images.shape == (10, 1, 16, 16)
    assert images.dtype == torch.uint8
    assert labels.dtype == torch.int64
    assert sum(len(labels) for _, labels in data.test_dataloader()) == 539


def test_memory_can_be_forced_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert isinstance(ImageDataModule(Digits(), in_memory="auto").split("val"), InMemory)
        assert isinstance(ImageDataModule(Digits(), in_memory=False).split("val"), Resized)
    assert "digits: images are decoded once into memory" in caplog.text
    assert "decoded by 0 workers" in caplog.text


def test_memory_makes_no_difference() -> None:
    one, other = (ImageDataModule(Digits(), image_size=9, in_memory=kept, seed=3) for kept in (True, False))
    for (a, x), (b, y) in zip(one.train_dataloader(), other.train_dataloader(), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(x, y)


def test_fingerprint_tells_data_apart() -> None:
    assert ImageDataModule(Digits()).fingerprint == ImageDataModule(Digits(), batch_size=5).fingerprint
    assert ImageDataModule(Digits()).fingerprint != ImageDataModule(Digits(), image_size=9).fingerprint


def test_a_source_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="'wine' produces rows, ImageDataModule consumes images"):
        ImageDataModule(Tables("wine"))


@pytest.mark.parametrize("in_memory", [True, False])
def test_what_is_tested_may_not_validate(in_memory: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    data = ImageDataModule(Digits(), in_memory=in_memory)
    own = data.source.split
    data.setup("fit")
    data._splits.clear()
    monkeypatch.setattr(data.source, "split", lambda stage: own("test" if stage == "val" else stage))
    data.setup("test")
    with pytest.raises(ValueError, match="digits: the same examples validate and test"):
        data.setup("fit")


def test_splits_of_one_size_may_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    data = ImageDataModule(Digits())
    images = torch.arange(6, dtype=torch.uint8).view(6, 1, 1, 1).expand(-1, 1, 8, 8)
    monkeypatch.setattr(data, "examples", lambda stage: InMemory(Images(images[:3] if stage == "val" else images[3:])))
    data.setup("fit")


def test_an_empty_split_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    data = ImageDataModule(Digits())
    monkeypatch.setattr(data, "examples", lambda stage: InMemory(Images(torch.zeros(0, 1, 8, 8))))
    with pytest.raises(ValueError, match="digits: the val split is empty: add examples"):
        data.split("val")
