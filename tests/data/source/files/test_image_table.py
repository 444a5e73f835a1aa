"""Images that a CSV file lists with several targets."""

from pathlib import Path

import pytest
import torch
from torchvision.utils import save_image

from leyden.data.source.files.image_table import ImageTable
from leyden.data.splits import STAGES

ROWS = [
    ("a.png", "cat", 1.5, 3, "train"),
    ("b.png", "dog", 2.5, 12, "train"),
    ("c.png", "", "", 3, "train"),
    ("d.png", "cat", 0.5, "", "Validation"),
    ("e.png", "dog", 4.5, 12, "test"),
]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Five images, a column of words, one of numbers, one of whole numbers, and the split."""
    (tmp_path / "images").mkdir()
    for number, (name, *_) in enumerate(ROWS):
        save_image(torch.full((3, 4, 6), number / 5), tmp_path / "images" / name)
    lines = ["image,kind,weight,species,part"]
    lines += [f"images/{name}," + ",".join(map(str, rest)) for name, *rest in ROWS]
    (tmp_path / "table.csv").write_text("\n".join(lines))
    return tmp_path / "table.csv"


def test_words_are_classes_and_numbers_numbers(table: Path) -> None:
    source = ImageTable(str(table), split_column="part")
    found = source.targets("train")
    assert list(found) == ["kind", "weight", "species"]
    assert found["kind"].class_names == ["cat", "dog"]
    assert found["kind"].values.tolist() == [0, 1, -1]
    assert found["weight"].class_names == []
    assert found["weight"].values[:2].tolist() == [1.5, 2.5]
    assert found["weight"].known.tolist() == [True, True, False]
    assert source.targets("test")["kind"].values.tolist() == [1]
    assert source.split("val")[0].images.shape == (3, 4, 6)
    assert [len(source.split(stage)) for stage in STAGES] == [3, 1, 1]


def test_numbers_may_be_classes(table: Path) -> None:
    source = ImageTable(str(table), classes=["species"], leave_out=["weight"], split_column="part")
    found = source.targets("val")
    assert list(found) == ["kind", "species"]
    assert found["species"].class_names == ["3", "12"]
    assert found["species"].values.tolist() == [-1]


def test_without_a_column_paths_decide_the_split(table: Path) -> None:
    source = ImageTable(str(table), leave_out=["part"])
    sizes = [len(source.split(stage)) for stage in STAGES]
    assert sum(sizes) == 5
    assert min(sizes) == 1
    files = [file for stage in STAGES for file in source.split(stage).files]
    assert len(set(files)) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_column": "file"}, "no column 'file': it has image, kind"),
        ({"classes": ["race"]}, "no column 'race'"),
        ({"split_column": "kind"}, "row 2: 'cat' is no split"),
        ({"leave_out": ["kind", "weight", "species", "part"]}, "no column is left"),
    ],
)
def test_wrong_columns_are_named(options: dict, message: str, table: Path) -> None:
    with pytest.raises(ValueError, match=message):
        ImageTable(str(table), **options).prepare()


def test_missing_files_are_named(table: Path) -> None:
    (table.parent / "images" / "b.png").unlink()
    with pytest.raises(ValueError, match=r"1 of 5 images are not there, such as .*b\.png"):
        ImageTable(str(table)).prepare()
    with pytest.raises(FileNotFoundError, match="no such file"):
        ImageTable(str(table.parent / "other.csv")).prepare()
    table.write_text("image,kind,part\nimages/a.png,cat,train\n")
    with pytest.raises(ValueError, match="no image is left for val"):
        ImageTable(str(table), split_column="part").prepare()
