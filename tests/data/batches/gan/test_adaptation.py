from pathlib import Path

import pytest
import torch
from PIL import Image

from leyden.data.batches.gan.adaptation import AdaptationImages
from leyden.data.batches.gan.unpaired import Unpaired
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.fonts import Fonts
from leyden.data.source.builtin.image_patches import ImagePatches
from leyden.data.source.files.image_files import ImageFiles


def new(**values) -> AdaptationImages:
    made = AdaptationImages(Digits(), Fonts(8, per_face=2), **{"batch_size": 8, **values})
    made.prepare_data()
    return made


def test_few_shots_are_among_more_and_repeated_in_a_round() -> None:
    few, more = (new(shots=shots, target_classes=["9"]).domain("b", "train").columns.images for shots in (3, 6))
    assert (len(few), len(more)) == (3, 6)
    assert torch.equal(few, more[:3])
    data = new(shots=3, target_classes=["9"])
    data.setup("fit")
    batches = [batch for _, batch in zip(range(3), data.train_dataloader(), strict=False)]
    assert all(isinstance(batch, Unpaired) for batch in batches)
    seen = torch.cat([batch.b.images for batch in batches])
    assert len(seen) == 24
    assert len(seen.flatten(1).unique(dim=0)) == 3
    assert {tuple(image.flatten().tolist()) for image in seen} == {tuple(image.flatten().tolist()) for image in few}


def test_shots_are_shared_out_among_classes() -> None:
    labels = new(shots=12).domain("b", "train").columns.labels
    assert labels.bincount().tolist() == [2, 2, 1, 1, 1, 1, 1, 1, 1, 1]


def test_the_seed_draws_the_shots() -> None:
    first, again, other = (new(shots=5, seed=seed).domain("b", "train").columns.images for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_classes_are_chosen_in_both_domains() -> None:
    data = new(source_classes=["3", "1"], target_classes=[7])
    assert data.spec["class_names"] == ["3", "1"]
    assert data.names("b") == ["7"]
    assert len(data.domain("a", "test")) < len(Digits().split("test")) / 4
    truth = Digits().split("test").columns
    own = data.domain("a", "test").columns
    assert torch.equal(own.images[own.labels == 0], truth.images[truth.labels == 3])
    assert torch.equal(own.images[own.labels == 1], truth.images[truth.labels == 1])
    with pytest.raises(ValueError, match=r"data.target_classes: no class 'x', fonts has 0, 1, 2"):
        new(target_classes=["x"]).names("b")


def test_all_target_images_are_there_for_the_evaluation() -> None:
    data = new(shots=4)
    assert len(data.domain("b", "train")) == 4
    assert len(data.every_target("train")) == len(Fonts(8, per_face=2).split("train"))
    assert len(data.domain("b", "test")) == len(Fonts(8, per_face=2).split("test"))


def test_a_target_without_classes_has_shots_too() -> None:
    data = AdaptationImages(ImagePatches(16, 20, 6, 6), ImagePatches(16, 30, 6, 6, seed=1), shots=7, batch_size=4)
    data.prepare_data()
    split = data.domain("b", "train")
    assert split.columns._fields == ("images",)
    assert len(split) == 7
    assert data.spec["class_names"] == []


def test_a_target_of_one_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"data.shots=1: 2 or more"):
        new(shots=1)
    for number in range(7):
        Image.new("L", (16, 16), number * 20).save(tmp_path / f"{number}.png")
    data = AdaptationImages(Digits(), ImageFiles(str(tmp_path), channels=1))
    data.prepare_data()
    with pytest.raises(ValueError, match=r"domain B, .* has 2 images to test: give it 6 or more"):
        data.setup("fit")
