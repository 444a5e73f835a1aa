"""Pairs of domains: sizes, channels and classes that differ, two folders of one's own, mistakes."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from leyden.data.batches.domains import DomainImages
from leyden.data.source import ImageSource
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.faces import Faces
from leyden.data.source.builtin.mnist import Mnist5000, MnistM
from leyden.data.source.files.image_folder import ImageFolder
from leyden.data.source.torchvision import TorchvisionSet


@pytest.mark.parametrize(
    ("source", "target", "options", "shape"),
    [
        (Mnist5000, Digits, {}, (1, 28, 28)),
        (Digits, Mnist5000, {"image_size": 16}, (1, 16, 16)),
        (Mnist5000, MnistM, {"channels": 3}, (3, 28, 28)),
        (MnistM, Mnist5000, {"channels": 1, "image_size": 20}, (1, 20, 20)),
    ],
)
def test_sizes_and_channels_are_matched(
    source: type[ImageSource], target: type[ImageSource], options: dict, shape: tuple[int, ...]
) -> None:
    data = DomainImages(source(), target(), batch_size=4, **options)
    data.prepare_data()
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert batch.source.images.shape == batch.target.images.shape == (4, *shape)
    assert (data.spec["channels"], data.spec["image_size"]) == shape[:2]
    assert data.split("test")[0].images.shape == data.source_test()[0].images.shape == shape
    assert data.target_split("val")[0]._fields == ("images",)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for domain, names, size, mode in [
        ("a", "xy", (20, 12), "RGB"),
        ("b", "yx", (9, 30), "L"),
        ("c", "vw", (8, 8), "L"),
    ]:
        for split in ("train", "val", "test"):
            for number, name in enumerate(names):
                place = tmp_path / domain / split / name
                place.mkdir(parents=True)
                for i in range(3):
                    shade = {"train": 10, "val": 20, "test": 30}[split] + 3 * number + i
                    Image.new(mode, size, shade if mode == "L" else (shade,) * 3).save(place / f"{i}.png")
    return tmp_path


def test_two_folders_of_one_s_own(folders: Path) -> None:
    data = DomainImages(ImageFolder(folders / "a"), ImageFolder(folders / "b"), image_size=8, batch_size=2)
    data.prepare_data()
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert batch.source.images.shape == batch.target.images.shape == (2, 3, 8, 8)
    assert data.spec["class_names"] == ["x", "y"]


def test_domains_without_a_class_in_common_are_refused_before_training(folders: Path) -> None:
    data = DomainImages(ImageFolder(folders / "a"), ImageFolder(folders / "c"), image_size=8)
    data.prepare_data()
    with pytest.raises(ValueError, match=r"has no class of the source .*its own are v, w, the source's x, y; domains"):
        data.setup("fit")


def test_a_class_that_the_source_lacks_is_refused_before_training() -> None:
    data = DomainImages(Faces(), Digits())
    data.prepare_data()
    with pytest.raises(
        ValueError, match=r"no class of the source faces: its own are 0, 1, .* the source's face, other"
    ):
        data.setup("fit")


def test_one_class_is_refused(folders: Path) -> None:
    for split in ("train", "val", "test"):
        for file in (folders / "a" / split / "y").iterdir():
            file.unlink()
        (folders / "a" / split / "y").rmdir()
    with pytest.raises(ValueError, match="one class, 'x', but a classifier needs two or more"):
        DomainImages(ImageFolder(folders / "a"), ImageFolder(folders / "b")).prepare_data()


def test_channels_are_grey_or_colour() -> None:
    with pytest.raises(ValueError, match=r"data\.channels=2: should be 1 \(grey\), 3 \(colour\) or null"):
        DomainImages(Digits(), Digits(), channels=2)


def test_usps_and_mnist_from_folders(dev_data: Path) -> None:
    usps = TorchvisionSet("USPS", str(dev_data / "usps"))
    data = DomainImages(usps, TorchvisionSet("MNIST", str(dev_data / "mnist_mini")), batch_size=4)
    data.prepare_data()
    data.setup("fit")
    assert next(iter(data.train_dataloader())).target.images.shape == (4, 1, 16, 16)
    assert torch.equal(data.split("test").columns.labels[:3], torch.tensor([7, 2, 1]))
