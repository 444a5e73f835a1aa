from pathlib import Path

import pytest
import torch
from PIL import Image

from leyden.data.module import ImageData
from leyden.data.source.image_folder import ImageFolder, read_image


def paint(root: Path, *folders: str, count: int = 10) -> str:
    """``count`` small pictures of different sizes in each folder; how red one is tells which it is."""
    for place, folder in enumerate(folders):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            Image.new("RGB", (8 + i, 10), (20 * place + i, 0, 255)).save(root / folder / f"{i}.png")
    return str(root)


def reds(source: ImageFolder, stage: str) -> list[int]:
    split = source.split(stage)
    return [int(split[i][0][0, 0, 0]) for i in range(len(split))]


def test_class_folders_are_shared_out(tmp_path: Path) -> None:
    source = ImageFolder(paint(tmp_path, "ants", "bees"))
    source.prepare()
    assert source.class_names == ["ants", "bees"]
    assert [source.split(s).targets.bincount().tolist() for s in ("train", "val", "test")] == [[6, 6], [1, 1], [3, 3]]
    seen = reds(source, "train") + reds(source, "val") + reds(source, "test")
    assert sorted(seen) == [*range(10), *range(20, 30)]
    assert all(
        (red >= 20) == label for red, label in zip(reds(source, "test"), source.split("test").targets, strict=True)
    )
    assert reds(source, "train") == reds(ImageFolder(str(tmp_path)), "train")


def test_three_folders_are_taken_as_they_are(tmp_path: Path) -> None:
    source = ImageFolder(paint(tmp_path, "train/a", "train/b", "val/a", "val/b", "test/b"))
    (tmp_path / "test" / "a").mkdir()
    with pytest.raises(ValueError, match=r"test/a holds no picture"):
        source.prepare()
    paint(tmp_path, "test/a", count=1)
    assert [len(source.split(stage)) for stage in ("train", "val", "test")] == [20, 20, 11]
    assert set(reds(source, "val")) == {*range(40, 50), *range(60, 70)}


@pytest.mark.parametrize("other", ["val", "valid", "test"])
def test_validation_never_is_the_test(other: str, tmp_path: Path) -> None:
    source = ImageFolder(paint(tmp_path, "train/a", "train/b", f"{other}/a", f"{other}/b"))
    assert [len(source.split(stage)) for stage in ("train", "val", "test")] == [18, 2, 20]
    assert sorted(reds(source, "train") + reds(source, "val")) == [*range(10), *range(20, 30)]
    assert min(reds(source, "test")) == 40


def test_all_of_train_is_learnt_where_nothing_is_held_out(tmp_path: Path) -> None:
    source = ImageFolder(paint(tmp_path, "train/a", "train/b", "val/a", "val/b"), holdout=0)
    assert [len(source.split(stage)) for stage in ("train", "val", "test")] == [20, 20, 20]
    assert reds(source, "val") == reds(source, "test")
    with pytest.raises(ValueError, match=r"data\.source\.holdout=1"):
        ImageFolder(str(tmp_path), holdout=1)


def test_pictures_become_one_size(tmp_path: Path) -> None:
    data = ImageData(ImageFolder(paint(tmp_path, "a", "b")))
    data.prepare_data()
    assert data.split("train")[0][0].shape == (3, 64, 64)
    grey = ImageData(ImageFolder(str(tmp_path), channels=1), image_size=16)
    grey.prepare_data()
    assert grey.split("train")[0][0].shape == (1, 16, 16)


def test_real_photographs(dev_data: Path) -> None:
    source = ImageFolder(str(dev_data / "hymenoptera_256" / "hymenoptera_data"))
    source.prepare()
    assert source.class_names == ["ants", "bees"]
    assert sum(len(source.split(stage)) for stage in ("train", "val")) == 244
    assert len(source.split("test")) == 153
    assert min(source.split("train")[0][0].shape[1:]) == 256


def test_people_as_classes(dev_data: Path) -> None:
    source = ImageFolder(str(dev_data / "att_faces"), channels=1)
    source.prepare()
    assert len(source.class_names) == 40
    assert source.split("test").targets.bincount().tolist() == [3] * 40
    assert source.split("test")[0][0].shape == (1, 112, 92)


def test_missing_root(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere: no such folder"):
        ImageFolder(str(tmp_path / "nowhere")).prepare()


@pytest.mark.parametrize("folders", [[], ["only"], ["train/only", "val/only"]])
def test_one_class_or_none(folders: list[str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a classifier needs two or\s+more"):
        ImageFolder(paint(tmp_path, *folders)).prepare()


def test_a_class_that_training_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"test/c: the class 'c' is not among those of training: \['a', 'b'\]"):
        ImageFolder(paint(tmp_path, "train/a", "train/b", "test/a", "test/b", "test/c")).prepare()


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n and then nonsense"])
def test_a_broken_picture_is_named(content: bytes, tmp_path: Path) -> None:
    root = paint(tmp_path, "a", "b")
    for file in (tmp_path / "b").iterdir():
        file.write_bytes(content)
    data = ImageData(ImageFolder(root))
    data.prepare_data()
    with pytest.raises(ValueError, match=r"b/\d\.png: this picture cannot be read"):
        data.split("train")


def test_a_truncated_picture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "half.jpg"
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(ValueError, match=r"half\.jpg: this picture cannot be read"):
        read_image(path)


def test_pictures_are_turned_upright(tmp_path: Path) -> None:
    picture = Image.new("L", (10, 6))
    exif = picture.getexif()
    exif[0x0112] = 6  # lies on its side
    picture.save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg", 1).shape == (1, 10, 6)
    assert read_image(tmp_path / "a.jpg").dtype == torch.uint8
