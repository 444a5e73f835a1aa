from pathlib import Path

import pytest
import torch
from PIL import Image

from leyden.data.batches.gan.paired_images import PairedImages
from leyden.data.inspection.inspect import inspect
from leyden.data.source.pairs_of_images.paired_folder import PairedFolder
from leyden.data.splits import STAGES


def write(root: Path, *names: str, size: tuple[int, int] = (8, 6), mode: str = "RGB") -> Path:
    """Images each of one colour, which its place among the names decides."""
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        grey = 20 * number + 10
        Image.new(
            mode, size, {"RGB": (grey, 0, 0), "RGBA": (grey, 0, 0, 99), "L": grey, "I;16": 257 * grey}[mode]
        ).save(root / name)
    return root


def sizes(source: PairedFolder) -> list[int]:
    source.prepare()
    return [len(source.split(stage)) for stage in STAGES]


SPLITS = ("train", "val", "test")
LAYOUTS = {
    "splits around folders": "{split}/{side}/x.png",
    "folders around splits": "{side}/{split}/x.png",
    "one word": "{split}{side}/x.png",
    "deeper": "facades/{split}/{side}/street/x.png",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_two_folders_are_found(layout: str, tmp_path: Path) -> None:
    for split in SPLITS:
        write(tmp_path, *(LAYOUTS[layout].format(split=split, side=side) for side in "AB"))
    source = PairedFolder(str(tmp_path))
    assert sizes(source) == [1, 1, 1]
    for stage in STAGES:
        a, b = source.split(stage)[0]
        assert (int(a[0, 0, 0]), int(b[0, 0, 0])) == (10, 30)
        assert a.shape == b.shape == (3, 6, 8)


def test_files_with_both_side_by_side(tmp_path: Path) -> None:
    for split in SPLITS:
        (tmp_path / split).mkdir()
        image = Image.new("RGB", (10, 4), (250, 0, 0))
        image.paste((0, 0, 250), (5, 0, 10, 4))
        image.save(tmp_path / split / "1.png")
    source = PairedFolder(str(tmp_path), channels_b=1)
    assert sizes(source) == [1, 1, 1]
    a, b = source.split("test")[0]
    assert (a.shape, b.shape) == ((3, 4, 5), (1, 4, 5))
    assert a[0].min() == 250
    assert a[2].max() == 0
    assert b.unique().tolist() == [28]  # blue as grey: 0.114 x 250
    batch = next(iter(PairedImages(source, image_size=8).train_dataloader()))
    assert (batch.a.shape, batch.b.shape) == ((1, 3, 8, 8), (1, 1, 8, 8))


def test_sizes_endings_and_kinds_may_differ(tmp_path: Path) -> None:
    write(tmp_path, *(f"A/{i}.png" for i in range(10)), mode="RGBA")
    write(tmp_path, *(f"B/{i}.tiff" for i in range(10)), size=(31, 7), mode="I;16")
    source = PairedFolder(str(tmp_path), channels_b=1)
    data = PairedImages(source, image_size=16)
    data.prepare_data()
    seen = {stage: data.split(stage).columns for stage in STAGES}
    assert [len(columns.a) for columns in seen.values()] == [6, 1, 3]
    for columns in seen.values():
        assert torch.equal(columns.a[:, 0, 0, 0], columns.b[:, 0, 0, 0])  # 16 bits are scaled; partners belong together
    assert "10 x with transparency, which is left out" in str(source.tally)
    assert "10 x of 16 bits, scaled to 8" in str(source.tally)


def test_splits_without_folders_stay(tmp_path: Path) -> None:
    write(tmp_path, *(f"{side}/{i}.png" for side in "AB" for i in range(20)))
    first = [pair.a for pair in PairedFolder(str(tmp_path)).split("train").pairs]
    write(tmp_path, "A/21.png", "B/21.png")
    second = [pair.a for pair in PairedFolder(str(tmp_path)).split("train").pairs]
    assert len(first) == 12
    assert len(set(first) - set(second)) <= 1


@pytest.mark.parametrize(("given", "expected"), [("test", [9, 1, 2]), ("val", [9, 1, 2])])
def test_part_of_train_validates(given: str, expected: list[int], tmp_path: Path) -> None:
    write(tmp_path, *(f"train/{i}.png" for i in range(10)), *(f"{given}/{i}.png" for i in range(2)))
    source = PairedFolder(str(tmp_path))
    assert sizes(source) == expected
    assert all(f"/{given}/" in file for file in source.files("test"))


def test_files_without_partner_are_listed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(
        tmp_path, *(f"{side}/{i}.png" for side in "AB" for i in range(4)), "A/lonely.png", "B/alone.jpg", "beside.png"
    )
    source = PairedFolder(str(tmp_path))
    seen = inspect(source)
    told = {(issue.kind, issue.effect, issue.file.name) for issue in seen.issues if issue.kind == "no partner"}
    assert told == {("no partner", "left out", "lonely.png"), ("no partner", "left out", "alone.jpg")}
    assert sum(len(split) for split in seen.splits.values()) == 4
    assert "no partner (left out): 2, first" in caplog.text
    assert "1 x image beside the pairs' folders, not read" in str(source.tally)


def test_two_files_of_one_name_are_told(tmp_path: Path) -> None:
    write(tmp_path, *(f"{side}/{i}.png" for side in "AB" for i in range(4)), "A/1.jpg")
    source = PairedFolder(str(tmp_path))
    (issue,) = (issue for issue in inspect(source).issues if issue.kind == "two images of one name")
    assert issue.file.name == "1.png"
    assert "1.jpg has the same name: rename one" in issue.what


def test_check_data_names_files_and_damage(tmp_path: Path) -> None:
    write(tmp_path, *(f"{side}/{i}.png" for side in "AB" for i in range(4)))
    (tmp_path / "B/2.png").write_bytes(b"")
    issues = {issue.kind: issue for issue in inspect(PairedFolder(str(tmp_path))).issues if issue.effect == "stops"}
    assert issues["unusable image"].file == tmp_path / "A/2.png"
    assert "B/2.png: this image cannot be read (the file is empty" in issues["unusable image"].what


def test_an_odd_width_has_no_halves(tmp_path: Path) -> None:
    write(tmp_path, *(f"{i}.png" for i in range(4)), size=(9, 4))
    with pytest.raises(ValueError, match=r"width of 9 pixels has no two halves.*two folders A and B"):
        PairedFolder(str(tmp_path)).split("train")[0]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["A/1.png", "B/2.png"], r"no image of one domain has its partner's name.* 1 of A, 1 of B: A/1\.png, B/2\.png"),
        (["train/1.png", "train/2.png", "other/1.png"], "other/1 is in no split, but others are"),
        (["test/1.png"], "there is no training split"),
        (["1.png", "2.png"], "2 pairs cannot be shared out among train, val, test"),
        ([], "holds no image with an ending"),
    ],
)
def test_what_cannot_be_paired_is_refused(names: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        PairedFolder(str(write(tmp_path, *names))).prepare()


def test_folders_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder"):
        PairedFolder(str(tmp_path / "nowhere")).prepare()
    with pytest.raises(ValueError, match="are both 'photos': name two folders"):
        PairedFolder(str(tmp_path), a="photos", b="photos")


def test_folders_of_other_names(tmp_path: Path) -> None:
    write(tmp_path, *(f"{split}/{side}/1.png" for split in SPLITS for side in ("photos", "maps")))
    source = PairedFolder(str(tmp_path), a="Photos", b="maps")
    assert sizes(source) == [1, 1, 1]
    assert "/photos/" in source.split("train").pairs[0].a
