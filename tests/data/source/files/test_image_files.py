import os
from pathlib import Path

import pytest
import torch
from torchvision.io import write_png

from leyden.data.source.files.image_files import ImageFiles


def fill(folder: Path, count: int, value: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        write_png(torch.full((3, 4 + i, 5), value + i, dtype=torch.uint8), str(folder / f"{i:02d}.png"))


def values(source: ImageFiles, stage: str) -> list[int]:
    split = source.split(stage)
    return [int(split[i].images[0, 0, 0]) for i in range(len(split))]


def test_folders_are_searched_at_any_depth(tmp_path: Path) -> None:
    fill(tmp_path / "train" / "a" / "deep", 2, 10)
    fill(tmp_path / "train" / "b", 1, 20)
    fill(tmp_path / "val", 1, 30)
    fill(tmp_path / "test", 2, 40)
    source = ImageFiles(str(tmp_path))
    assert values(source, "train") == [10, 11, 20]
    assert values(source, "val") == [30]
    assert values(source, "test") == [40, 41]
    example = source.split("test")[1]
    assert (example.images.shape, example._fields) == ((3, 5, 5), ("images",))


def test_what_is_not_given_is_taken_out_of_training(tmp_path: Path) -> None:
    fill(tmp_path, 25)
    source = ImageFiles(str(tmp_path), ".", None, None)
    parts = [values(source, stage) for stage in ("train", "val", "test")]
    assert parts[1] == [9, 19]
    assert parts[2] == [2, 5, 8, 12, 15, 18, 22]
    assert sorted(parts[0] + parts[1] + parts[2]) == list(range(25))


@pytest.mark.parametrize(("count", "sizes"), [(3, (1, 1, 1)), (10, (6, 1, 3)), (20, (12, 2, 6)), (62, (50, 6, 6))])
def test_few_images_leave_enough_to_test(count: int, sizes: tuple[int, ...], tmp_path: Path) -> None:
    fill(tmp_path, count)
    source = ImageFiles(str(tmp_path))
    assert tuple(len(source.split(stage)) for stage in ("train", "val", "test")) == sizes


def test_of_many_images_every_tenth_tests(tmp_path: Path) -> None:
    fill(tmp_path, 70)
    assert values(ImageFiles(str(tmp_path)), "test") == [10, 21, 32, 43, 54, 65]


def test_an_index_changes_nothing(tmp_path: Path) -> None:
    fill(tmp_path / "set" / "a", 13)
    fill(tmp_path / "set" / "b", 12, 100)
    for folder in (tmp_path / "set", tmp_path / "set" / "a", tmp_path / "set" / "b"):
        os.utime(folder, (1e9, 1e9))  # of a folder that has just changed none is kept
    plain = ImageFiles(str(tmp_path / "set"), ".", None, None)
    for _ in range(2):
        indexed = ImageFiles(str(tmp_path / "set"), ".", None, None, index_cache=str(tmp_path / "cache"))
        for stage in ("train", "val", "test"):
            assert values(indexed, stage) == values(plain, stage)
        assert len(list((tmp_path / "cache").iterdir())) == 1


def test_grey_images_on_request(tmp_path: Path) -> None:
    fill(tmp_path / "train", 3)
    assert ImageFiles(str(tmp_path), "train", None, None, channels=1).split("train")[0].images.shape[0] == 1


def test_bad_folders_are_refused(tmp_path: Path) -> None:
    fill(tmp_path / "train", 2)
    with pytest.raises(FileNotFoundError, match=r"data.source.val: no folder .*val"):
        ImageFiles(str(tmp_path), "train", "val").prepare()
    with pytest.raises(ValueError, match="too few images to share them out: give 3 or more"):
        ImageFiles(str(tmp_path)).prepare()
    (tmp_path / "test").mkdir()
    with pytest.raises(ValueError, match="holds no image"):
        ImageFiles(str(tmp_path), "train", None, "test").prepare()
    with pytest.raises(FileNotFoundError, match=r"data.source.root=.*nowhere: no such folder"):
        ImageFiles(str(tmp_path / "nowhere")).prepare()
    fill(tmp_path / "train" / "test", 1)
    with pytest.raises(ValueError, match=r"data.source.test=train/test lies inside data.source.train=train"):
        ImageFiles(str(tmp_path), "train", None, "train/test").prepare()


def test_t91_and_set5(dev_data: Path) -> None:
    source = ImageFiles(str(dev_data / "super_resolution"), "T91", None, "Set5")
    assert [len(source.split(stage)) for stage in ("train", "val", "test")] == [82, 9, 5]
