from pathlib import Path

import pytest
import torch

from leyden.data.batches.attributes import AttributeImages, AttributeRows
from leyden.data.columns import LabelledImages, LabelledRows
from leyden.data.source import ImageSource
from leyden.data.source.attributes.segment_digits import SegmentDigits
from leyden.data.source.attributes.table import Attributes
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.rows.row_source import RowSource
from leyden.data.source.scenes.coloured_digits import ColouredDigits
from leyden.data.splits import InMemory, Stage, labels_of


class Animals(ImageSource):
    """Images of eight classes, two of each in each split; the pixel says which split and class an image is of."""

    name, channels, image_size = "animals", 1, 2
    class_names = tuple(f"animal {i}" for i in range(8))

    def split(self, stage: Stage) -> InMemory[LabelledImages]:
        labels = torch.arange(8).repeat_interleave(2)
        values = 10 * labels + ["train", "val", "test"].index(stage)
        return InMemory(LabelledImages(values.to(torch.uint8)[:, None, None, None].expand(-1, 1, 2, 2), labels))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "animals.csv"
    lines = [f"animal {i},{i},{i % 2}" for i in reversed(range(8))]
    file.write_text("\n".join(["class,size,stripes", *lines]))
    return file


def prepared(**options: object) -> AttributeImages:
    data = AttributeImages(Animals(), **options)
    data.prepare_data()
    return data


def test_stages_share_the_classes_as_promised(table: Path) -> None:
    data = prepared(attributes=str(table), unseen=["animal 1", "animal 7"], val_classes=["animal 0", "animal 4"])
    assert data.division == ([2, 3, 5, 6], [0, 4], [1, 7])
    assert data.spec["attribute_names"] == ["size", "stripes"]
    assert data.attributes.values.tolist() == [[i, i % 2] for i in range(8)]
    found = {}
    for stage in ("train", "val", "test"):
        values = data.split(stage).columns.images[:, 0, 0, 0].tolist()
        found[stage] = [divmod(value, 10) for value in values]
    assert set(found["train"]) == {(c, 0) for c in (2, 3, 5, 6)}
    assert set(found["val"]) == {(c, 1) for c in (2, 3, 5, 6)} | {(0, 1), (4, 1)}
    assert set(found["test"]) == {(c, 2) for c in (0, 2, 3, 4, 5, 6)} | {(1, 2), (7, 2)}
    everything = data.trained_and_validated().columns.images[:, 0, 0, 0].tolist()
    assert set(everything) == {10 * c + part for c in (0, 2, 3, 4, 5, 6) for part in (0, 1)}


def test_numbers_and_files_name_classes(table: Path, tmp_path: Path) -> None:
    listed = tmp_path / "unseen.txt"
    listed.write_text("animal 0\nanimal 1\n\n")
    data = prepared(attributes=str(table), unseen=str(listed), val_classes=["animal 2", "animal 3"])
    assert data.division == ([4, 5, 6, 7], [2, 3], [0, 1])
    drawn = prepared(attributes=str(table), unseen=2)
    assert [len(group) for group in drawn.division] == [4, 2, 2]
    assert drawn.division == prepared(attributes=str(table), unseen=2, val_classes=2).division
    assert set(drawn.division.test) < set(prepared(attributes=str(table), unseen=3).division.test)
    assert drawn.division.val != prepared(attributes=str(table), unseen=2, seed=1).division.val


def test_held_out_combinations_are_unseen_by_themselves() -> None:
    source = ColouredDigits(16, 1, 1, 1, held_out=40)
    data = AttributeImages(source)
    data.prepare_data()
    assert set(data.division.test) == source.held_out
    assert (len(data.division.val), len(data.division.train)) == (28, 112)
    assert len(data.attributes.names) == 19


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unseen": None}, r"data.unseen leaves 0 of 8 classes to the test"),
        ({"unseen": ["animal 1", "anima 2"]}, r"data.unseen: 1 of 2 .* 'anima 2': .* 'animal 2'"),
        ({"unseen": ["animal 6", "animal 7"], "val_classes": ["animal 7"]}, "data.val_classes: .* 'animal 7'"),
        ({"unseen": 2, "val_classes": 1}, "data.val_classes leaves 1 of 8 classes to validation"),
        ({"unseen": 4, "val_classes": 3}, "leave 1 of 8 classes for training"),
        ({"unseen": 2, "attributes": None}, "knows no attributes of its classes"),
    ],
)
def test_what_nothing_can_be_learnt_from(table: Path, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prepared(**{"attributes": str(table), **options})


def test_missing_file_of_classes(table: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"data.unseen=absent.txt"):
        prepared(attributes=str(table), unseen="absent.txt")


def test_classes_without_attributes_name_the_nearest(table: Path) -> None:
    table.write_text(table.read_text().replace("animal 3", "animal three"))
    with pytest.raises(ValueError, match=r"1 of 8 classes have no attributes, such as 'animal 3'"):
        prepared(attributes=str(table), unseen=2)


class Described(RowSource):
    """Rows of six classes, of which two are tested alone and two validate alone, as in the proposed splits."""

    def __init__(self) -> None:
        super().__init__("described", "split")
        parts = {"train": [0, 1], "val": [2, 3], "test": [0, 1, 4, 5]}
        splits = {}
        for stage, classes in parts.items():
            labels = torch.tensor(classes).repeat_interleave(10)
            splits[stage] = LabelledRows(labels[:, None].float().expand(-1, 3).contiguous(), labels)
        self.set_splits(splits, list("abcdef"), ["x", "y", "z"])
        self.attributes = Attributes(list("abcdef"), ["place"], torch.arange(6.0)[:, None])


def test_rows_hold_training_examples_back_to_validate() -> None:
    data = AttributeRows(Described())
    data.prepare_data()
    assert data.division == ([0, 1], [2, 3], [4, 5])
    counts = {stage: labels_of(data.split(stage)).bincount(minlength=6).tolist() for stage in ("train", "val", "test")}
    assert counts == {"train": [9, 9, 0, 0, 0, 0], "val": [1, 1, 10, 10, 0, 0], "test": [10, 10, 0, 0, 10, 10]}
    assert labels_of(data.trained_and_validated()).bincount().tolist() == [10, 10, 10, 10]
    assert data.spec == {"class_names": list("abcdef"), "attribute_names": ["place"], "feature_names": ["x", "y", "z"]}


def test_sources_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="consumes rows"):
        AttributeRows(Digits())
    data = AttributeImages(SegmentDigits(), unseen=2, val_classes=2)
    data.prepare_data()
    assert data.spec["channels"] == 1


class Untested(Animals):
    """The same, but the last two classes have training examples alone."""

    def split(self, stage: Stage) -> InMemory[LabelledImages]:
        split = super().split(stage)
        return split if stage == "train" else InMemory(split.take(torch.arange(12)))


def test_classes_without_examples_in_their_split_bring_others(table: Path) -> None:
    data = AttributeImages(
        Untested(), str(table), unseen=["animal 6", "animal 7"], val_classes=["animal 0", "animal 4"]
    )
    data.prepare_data()
    images, labels = data.split("test").columns
    assert images[labels >= 6][:, 0, 0, 0].tolist() == [60, 60, 70, 70]
    assert set(images[labels < 6][:, 0, 0, 0].tolist()) == {2, 12, 22, 32, 42, 52}
