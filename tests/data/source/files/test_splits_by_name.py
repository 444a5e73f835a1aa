from pathlib import Path

import pytest
from PIL import Image

from leyden.data.source.files.image_files import ImageFiles
from leyden.data.source.files.image_folder import ImageFolder


def paint(root: Path, text: str) -> str:
    """Images 0.png, 1.png ... in folders, written "2 train/a, 3 test/a"; their red is the number in the text."""
    for number, part in enumerate(text.split(", ")):
        count, folder = part.split(maxsplit=1)
        (root / folder).mkdir(parents=True, exist_ok=True)
        for i in range(int(count)):
            Image.new("RGB", (8, 8), (number, i, 0)).save(root / folder / f"{i}.png")
    return str(root)


def counts(source: ImageFolder | ImageFiles) -> list[int]:
    return [len(source.split(stage)) for stage in ("train", "val", "test")]


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("Training", "Validation", "Testing"),
        ("TRAIN", "VALID", "TEST"),
        ("train2017", "val2017", "test2017"),
        ("01_train", "02_dev", "03_test"),
        ("seg_train/seg_train", "seg_val", "seg_test/seg_test"),
        ("images/train", "images/val", "images/test"),
        ("archive/v1/trainset", "archive/v1/devset", "archive/v1/testset"),
    ],
)
def test_splits_are_known_by_name(train: str, val: str, test: str, tmp_path: Path) -> None:
    text = ", ".join(f"{n} {folder}/{name}" for n, folder in ((3, train), (2, val), (1, test)) for name in ("a", "b"))
    source = ImageFolder(paint(tmp_path, f"{text}, 0 labels/train, 0 notes"))
    assert counts(source) == [6, 4, 2]
    assert source.class_names == ["a", "b"]


def test_training_and_testing_alone(tmp_path: Path) -> None:
    source = ImageFolder(paint(tmp_path, "10 Training/a, 10 Training/b, 4 Testing/a, 4 Testing/b, 1 __MACOSX/Training"))
    assert counts(source) == [18, 2, 8]
    assert "1 x hidden or of another program, not read" in str(source.tally)


def test_folders_beside_the_splits_are_counted(tmp_path: Path) -> None:
    source = ImageFolder(paint(tmp_path, "9 train/a, 9 train/b, 5 test, 5 more/x"))
    assert sum(counts(source)) == 18
    assert "1 x test folder without class folders, not read" in str(source.tally)
    assert "1 x folder beside the splits, not read" in str(source.tally)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2 train/a, 2 train/b, 2 Training/a, 2 Training/b", "several speak of train"),
        ("2 train/a, 2 train/b, 2 test1/a, 2 test2/a", "several speak of test"),
        ("2 train/a, 2 train/b, 2 holdout/a", "holdout has classes of train"),
        ("2 train/a, 2 train/b, 2 a, 2 b", "a has classes of train"),
        ("2 val/a, 2 val/b, 2 test/a, 2 test/b", "none of them is a training split"),
        ("3 train, 3 plane, 3 car", "none of them is a training split"),
        ("3 train_station/a, 3 airport/b", "train_station may be a split or a class"),
    ],
)
def test_unclear_splits_are_refused(text: str, why: str, tmp_path: Path) -> None:
    root = paint(tmp_path, text)
    with pytest.raises(ValueError, match=f"cannot tell which folders are train, val and test: {why}") as caught:
        ImageFolder(root).prepare()
    for part in text.split(", "):
        assert part.split()[1].split("/")[0] in str(caught.value)
    assert "data.source.train=. says that these are classes" in str(caught.value)
    ImageFolder(root, train=".").prepare()


@pytest.mark.parametrize("text", ["2 test_tube, 3 beaker", "2 valid, 3 invalid", "2 latest, 3 old", "2 2017, 3 2018"])
def test_classes_with_words_of_splits(text: str, tmp_path: Path) -> None:
    assert sum(counts(ImageFolder(paint(tmp_path, text)))) == 5


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("9 A/cats, 9 A/dogs, 12 B/cats, 9 B/dogs", "if these are splits, set data.source.train=B data.source.test=A"),
        ("9 x/A/cats, 9 x/A/dogs, 9 x/B/cats", "data.source.train=x/A data.source.test=x/B"),
        ("9 cats/train, 9 cats/test, 9 dogs/train, 9 dogs/test", "move them, so that there is test/cats and so on"),
        ("9 train/A/cats, 9 train/A/dogs, 9 train/B/dogs", "if they are classes, set data.source.train=train"),
    ],
)
def test_classes_that_may_be_splits_are_refused(text: str, cure: str, tmp_path: Path) -> None:
    """And each of the cures works."""
    with pytest.raises(ValueError, match="have the same folders in them") as caught:
        ImageFolder(paint(tmp_path, text)).prepare()
    assert cure in str(caught.value)
    for advice in str(caught.value).split("set ")[1:]:
        keys = dict(word.removeprefix("data.source.").split("=") for word in advice.split(";")[0].split())
        ImageFolder(str(tmp_path), **keys).prepare()


def test_one_folder_in_each_class_is_no_split(tmp_path: Path) -> None:
    assert sum(counts(ImageFolder(paint(tmp_path, "5 cats/images, 5 dogs/images, 2 dogs")))) == 12


def test_given_folders_decide(tmp_path: Path) -> None:
    root = paint(tmp_path, "2 train/a, 2 train/b, 3 other/a, 3 other/b, 1 test/a")
    assert counts(ImageFolder(root, train="other", val="train", test="test")) == [6, 4, 1]
    with pytest.raises(FileNotFoundError, match=r"data\.source\.val: no folder .*nowhere"):
        ImageFolder(root, train="train", val="nowhere").prepare()
    with pytest.raises(ValueError, match=r"data\.source\.test is set: set data\.source\.train as well"):
        ImageFolder(root, test="test").prepare()
    with pytest.raises(ValueError, match=r"test=other/a lies inside data\.source\.train=other, so they would share"):
        ImageFolder(root, train="other", test="other/a").prepare()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30 ., 1 __MACOSX", [21, 3, 6]),
        ("20 a, 10 b/c", [21, 3, 6]),
        ("20 faces/Train/x, 3 faces/Test", [18, 2, 3]),
        ("20 train2017, 3 val2017, 1 test2017, 0 notes", [20, 3, 1]),
    ],
)
def test_images_without_classes(text: str, expected: list[int], tmp_path: Path) -> None:
    assert counts(ImageFiles(paint(tmp_path, text))) == expected


@pytest.mark.parametrize("text", ["5 train, 5 a, 5 b", "5 test, 5 val", "5 train, 5 Training"])
def test_unclear_images_without_classes(text: str, tmp_path: Path) -> None:
    root = paint(tmp_path, text)
    with pytest.raises(ValueError, match="cannot tell which folders are train, val and test: each should be one split"):
        ImageFiles(root).prepare()
    assert sum(counts(ImageFiles(root, train="."))) == 5 * len(text.split(", "))
