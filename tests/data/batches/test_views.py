"""Views are a function of (seed, epoch, index), labels reach the evaluation alone, and bad input is answered."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.io import write_png

from leyden.data.batches.views import MakeViews, RandomView, TwoViews, ViewImages
from leyden.data.columns import Images
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.image_patches import ImagePatches
from leyden.data.source.builtin.surfaces import Surfaces
from leyden.data.source.files.image_folder import ImageFolder

CHANGES: dict[str, Any] = {"scale": [0.5, 1.2], "degrees": 20, "shear": 10, "noise": 0.1, "jitter": 0.5, "blur": 0.5}


def digits(**values: Any) -> ViewImages:
    return ViewImages(Digits(), **{**CHANGES, "batch_size": 16, **values})


def test_same_numbers_give_the_same_views() -> None:
    first, second, third = (next(iter(digits(seed=seed).train_dataloader())) for seed in (0, 0, 1))
    assert isinstance(first, TwoViews)
    assert first.first.dtype == torch.uint8
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first.first, third.first)
    assert not torch.equal(first.first, first.second)


def test_a_view_depends_on_its_own_image_alone() -> None:
    images = torch.randint(256, (6, 3, 24, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    make = MakeViews(2, RandomView(**{**CHANGES, "flip": True, "grey": 0.2}))
    u = torch.rand(6, make.draws, generator=torch.Generator().manual_seed(1))
    together = make(Images(images), u)
    for i in range(6):
        alone = make(Images(images[i : i + 1]), u[i : i + 1])
        for view, own in zip(together, alone, strict=True):
            assert (view[i].int() - own[0].int()).abs().max() <= 1  # a last bit may round the other way


def test_each_epoch_has_new_views_but_validation_has_not() -> None:
    data = digits()
    train, val = data.train_dataloader(), data.val_dataloader()
    assert not torch.equal(next(iter(train)).first.sort(0).values, next(iter(train)).first.sort(0).values)
    assert torch.equal(next(iter(val)).first, next(iter(val)).first)
    assert isinstance(next(iter(data.test_dataloader())), TwoViews)


def test_one_view_without_changes_is_the_image() -> None:
    data = ViewImages(Digits(), views=1, scale=[1, 1], batch_size=4)
    batch = next(iter(data.val_dataloader()))
    assert torch.equal(batch.images, data.split("val").take(torch.arange(len(batch.images))).images)
    assert batch._fields == ("images",)  # no labels


def test_labelled_images_come_from_elsewhere() -> None:
    source, labelled = ImagePatches(16, train=8, val=2, test=2), Surfaces(32, train=2, val=1, test=3)
    data = ViewImages(source, labelled, ["grass", "gravel"], scale=[0.5, 1])
    data.prepare_data()
    assert data.spec == {"channels": 3, "image_size": 16}
    assert data.class_names == ["grass", "gravel"]
    images, labels = next(iter(data.in_order(data.labelled("test"))))
    assert images.shape == (6, 3, 16, 16)
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]
    with pytest.raises(ValueError, match="no class 'gras'"):
        ViewImages(source, labelled, ["gras"], scale=[0.5, 1]).prepare_data()


def test_a_folder_without_classes_is_data(tmp_path: Path) -> None:
    for i in range(12):
        write_png(torch.randint(256, (3, 20, 20 + i), dtype=torch.uint8), str(tmp_path / f"{i}.png"))
    data = ViewImages(ImageFolder(str(tmp_path)), image_size=16, scale=[0.5, 1], batch_size=4)
    data.prepare_data()
    assert data.class_names == []
    assert next(iter(data.train_dataloader())).first.shape == (4, 3, 16, 16)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch_size": 1}, "data.batch_size=1: an image alone has no other"),
        ({"views": 3}, "data.views=3: 1"),
        ({"scale": [0.1, 1]}, r"images of 8 pixels are too small .* set data.scale=\[0.25,1\]"),
        ({"scale": [0.9, 0.5]}, "data.scale=.0.9, 0.5.: least and greatest"),
    ],
)
def test_bad_input_is_answered(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        digits(**values)
