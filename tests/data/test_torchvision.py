import gzip
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat
from torchvision import datasets

from leyden.data.source.torchvision import SETS, TorchvisionSet


@pytest.fixture
def idx_root(tmp_path: Path) -> Path:
    """Fashion-MNIST's file format with 100 training and 10 test images; image i is grey i."""
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 100), ("t10k", 10)):
        images = np.arange(count, dtype=np.uint8)[:, None, None].repeat(28, 1).repeat(28, 2)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">4i", 0x803, count, 28, 28) + images.tobytes())
        labels = bytes(i % 10 for i in range(count))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 0x801, count) + labels)
    return tmp_path


def test_every_set_exists_and_splits() -> None:
    for name, layout in SETS.items():
        assert hasattr(datasets, name)
        assert {"train", "test"} <= set(layout.splits)


def test_validation_is_carved_out_of_training(idx_root: Path) -> None:
    source = TorchvisionSet("FashionMNIST", str(idx_root))
    source.prepare()
    train, val, test = (source.split(stage) for stage in ("train", "val", "test"))
    assert [part.columns.labels.bincount().tolist() for part in (train, val, test)] == [[9] * 10, [1] * 10, [1] * 10]
    assert train.columns.images.shape[1:] == (1, 28, 28)
    assert train.columns.images.dtype == torch.uint8
    greys = sorted(int(image[0, 0, 0]) for part in (train, val) for image in part.columns.images)
    assert greys == list(range(100))
    assert all(
        int(image[0, 0, 0]) % 10 == int(target)
        for image, target in zip(train.columns.images, train.columns.labels, strict=True)
    )
    assert source.class_names[0] == "T-shirt/top"
    assert (source.channels, source.image_size) == (1, 28)


def test_real_mnist_and_usps(dev_data: Path) -> None:
    mnist = TorchvisionSet("MNIST", str(dev_data / "mnist_mini"))
    mnist.prepare()
    assert [len(mnist.split(stage)) for stage in ("train", "val", "test")] == [1801, 199, 500]
    assert mnist.class_names == [str(i) for i in range(10)]
    usps = TorchvisionSet("USPS", str(dev_data / "usps"))
    assert sum(len(usps.split(stage)) for stage in ("train", "val")) == 7291
    assert usps.split("test").columns.images.shape == (2007, 1, 16, 16)


def test_archives_in_place_are_unpacked_offline(dev_data: Path, tmp_path: Path) -> None:
    shutil.copytree(dev_data / "fashion_mnist", tmp_path / "root")
    with pytest.raises(FileNotFoundError, match="download=true"):
        TorchvisionSet("FashionMNIST", str(tmp_path / "root")).prepare()
    source = TorchvisionSet("FashionMNIST", str(tmp_path / "root"), download=True)
    assert [len(source.split(stage)) for stage in ("train", "val", "test")] == [54000, 6000, 10000]
    assert source.split("val").columns.labels.bincount().tolist() == [600] * 10


def test_colour_arrays_become_channels_first(tmp_path: Path) -> None:
    for part, count in (("train", 20), ("test", 10)):
        images = np.zeros((32, 32, 3, count), np.uint8)
        images[1, 2, 0] = 7  # row 1, column 2, red
        savemat(tmp_path / f"{part}_32x32.mat", {"X": images, "y": np.arange(count)[:, None] % 10})
    source = TorchvisionSet("SVHN", str(tmp_path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torchvision.datasets.svhn.check_integrity", lambda *_: True)
        source.prepare()
    image, _ = source.split("train")[0]
    assert image.shape == (3, 32, 32)
    assert image.nonzero().tolist() == [[0, 1, 2]]
    assert image[0, 1, 2] == 7


def test_files_are_decoded_when_needed_and_a_broken_one_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "flowers-102"
    (folder / "jpg").mkdir(parents=True)
    for i in range(1, 7):
        Image.new("RGB", (20 + i, 30), (0, 200, 0)).save(folder / "jpg" / f"image_{i:05d}.jpg")
    savemat(folder / "imagelabels.mat", {"labels": [[1, 2, 1, 2, 1, 102]]})
    savemat(folder / "setid.mat", {"trnid": [[1, 2]], "valid": [[3, 4]], "tstid": [[5, 6]]})
    source = TorchvisionSet("Flowers102", str(tmp_path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.Flowers102, "_check_integrity", lambda self: True)
        source.prepare()
    assert source.split("train")[0].images.shape == (3, 30, 21)
    assert source.split("test").labels.tolist() == [0, 101]
    (folder / "jpg" / "image_00003.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"Flowers102: image 0 cannot be read .*image_00003.jpg"):
        source.split("val")[0]


def test_missing_files_say_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"download=true(.|\n)*train_32x32\.mat") as error:
        TorchvisionSet("SVHN", str(tmp_path / "nowhere")).prepare()
    assert str(tmp_path / "nowhere") in str(error.value)
    with pytest.raises(FileNotFoundError, match=r"usps.bz2 and usps.t.bz2"):
        TorchvisionSet("USPS", str(tmp_path)).prepare()
    with pytest.raises(FileNotFoundError, match=r"KMNIST/raw/ with \{train,t10k\}-\{images-idx3,labels-idx1\}-"):
        TorchvisionSet("KMNIST", str(tmp_path)).prepare()


def test_a_broken_archive_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "usps.bz2").write_bytes(gzip.compress(b"not bzip2"))
    with pytest.raises(FileNotFoundError, match="USPS cannot be had"):
        TorchvisionSet("USPS", str(tmp_path)).prepare()


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean FashionMNIST"):
        TorchvisionSet("fashion_mnist")
    with pytest.raises(ValueError, match=r"'xyz': Known are MNIST"):
        TorchvisionSet("xyz")
