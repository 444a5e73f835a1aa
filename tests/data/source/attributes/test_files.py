import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from leyden.data.source.attributes.files import read_attributes
from leyden.data.source.attributes.proposed_splits import ProposedSplits


def awa(folder: Path, continuous: bool = True) -> Path:
    (folder / "classes.txt").write_text("     1\tantelope\n     2\tgiant+panda\n")
    (folder / "predicates.txt").write_text("     1\tblack\n     2\tlong neck\n     3\tfast\n")
    (folder / "predicate-matrix-binary.txt").write_text("0 0 1\n1 0 0\n")
    if continuous:
        (folder / "predicate-matrix-continuous.txt").write_text("  -1.00   0.00  88.50\n  70.00   5.00   0.00\n")
    return folder


def test_animals_with_attributes(tmp_path: Path) -> None:
    names, attributes, values = read_attributes(awa(tmp_path))
    assert (names, attributes) == (["antelope", "giant+panda"], ["black", "long neck", "fast"])
    torch.testing.assert_close(values, torch.tensor([[0.0, 0.0, 0.885], [0.7, 0.05, 0.0]]))


def test_binary_matrix_where_there_is_no_other(tmp_path: Path) -> None:
    assert read_attributes(awa(tmp_path, continuous=False)).values.tolist() == [[0, 0, 1], [1, 0, 0]]


def test_birds_with_numbered_attributes(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("1 001.Albatross\n2 002.Ani\n")
    (tmp_path / "attributes").mkdir()
    (tmp_path / "attributes" / "class_attribute_labels_continuous.txt").write_text("0.0 25.0\n100.0 50.0\n")
    names, attributes, values = read_attributes(tmp_path)
    assert names == ["001.Albatross", "002.Ani"]
    assert attributes == ["attribute 0", "attribute 1"]
    assert values.tolist() == [[0, 0.25], [1, 0.5]]


def test_csv_with_the_class_first(tmp_path: Path) -> None:
    file = tmp_path / "attributes.csv"
    file.write_text("class,stripes,hooves\nzebra,1,1\n7,0,0.5\n")
    names, attributes, values = read_attributes(file)
    assert (names, attributes) == (["zebra", "7"], ["stripes", "hooves"])
    assert values.tolist() == [[1, 1], [0, 0.5]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class,stripes\nzebra,yes\n", "'stripes' holds no numbers"),
        ("class,stripes\nzebra,1\nzebra,0\n", "'zebra' has more than one row"),
        ("class,stripes\nzebra,\n", "'stripes' of 'zebra' is not a number"),
        ("", "no CSV file"),
        ("class\nzebra\n", "numbers for 1 classes x 0 attributes"),
    ],
)
def test_csv_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "attributes.csv"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_attributes(file)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="a CSV file with the class first"):
        read_attributes(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        read_attributes(tmp_path / "absent.csv")


def test_names_and_numbers_differ_in_number(tmp_path: Path) -> None:
    (awa(tmp_path) / "classes.txt").write_text("1\tantelope\n")
    with pytest.raises(ValueError, match=r"\(2, 3\) numbers for 1 classes x 3 attributes"):
        read_attributes(tmp_path)


def proposed(folder: Path, **changed: np.ndarray) -> Path:
    """Files as those of Xian et al., of 8 examples of 4 classes; MATLAB counts from 1."""
    rows = np.arange(16.0).reshape(2, 8)
    savemat(folder / "res101.mat", {"features": rows, "labels": np.array([[1, 1, 1, 2, 2, 3, 4, 4]]).T})
    places = {
        "train_loc": np.array([[1, 2]]).T,
        "val_loc": np.array([[4, 5]]).T,
        "test_seen_loc": np.array([[3]]).T,
        "test_unseen_loc": np.array([[6, 7, 8]]).T,
    }
    cells = np.array([["cat"], ["dog"], ["zebra"], ["whale"]], dtype=object)
    table = {"allclasses_names": cells, "original_att": np.array([[-1.0, 50, 100, 0], [0, 0, 25, 100]])}
    savemat(folder / "att_splits.mat", {**table, **places, **changed})
    return folder


def test_proposed_splits(tmp_path: Path) -> None:
    source = ProposedSplits(str(proposed(tmp_path)))
    source.prepare()
    train, val, test = (source.split(stage).columns for stage in ("train", "val", "test"))
    assert train.rows.tolist() == [[0, 8], [1, 9]]
    assert (train.labels.tolist(), val.labels.tolist(), test.labels.tolist()) == ([0, 0], [1, 1], [0, 2, 3, 3])
    assert source.attributes.class_names == ["cat", "dog", "zebra", "whale"]
    assert source.attributes.values.tolist() == [[0, 0], [0.5, 0], [1, 0.25], [0, 1]]
    assert torch.equal(read_attributes(tmp_path / "att_splits.mat").values, source.attributes.values)


def without_features(folder: Path) -> None:
    (folder / "res101.mat").unlink()


def swapped(folder: Path) -> None:
    shutil.copy(folder / "att_splits.mat", folder / "res101.mat")


def broken(folder: Path) -> None:
    (folder / "res101.mat").write_bytes(b"no MATLAB file")


def beyond(folder: Path) -> None:
    proposed(folder, test_seen_loc=np.array([[9]]))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without_features, "res101.mat: no such file"),
        (swapped, "has no 'features'"),
        (broken, "no MATLAB file that can be read"),
        (beyond, "take both from one folder"),
    ],
)
def test_files_that_do_not_fit(tmp_path: Path, spoil: Callable[[Path], None], message: str) -> None:
    spoil(proposed(tmp_path))
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        ProposedSplits(str(tmp_path)).prepare()


def test_awa_and_cub_as_published(dev_data: Path) -> None:
    animals, birds = (read_attributes(dev_data / name) for name in ("awa", "cub_attributes"))
    assert animals.values.shape == (50, 85)
    assert {"giant+panda", "chimpanzee"} <= set(animals.class_names)
    assert birds.values.shape == (200, 312)
    assert birds.class_names[0] == "001.Black_footed_Albatross"
    assert all(table.values.min() >= 0 and table.values.max() <= 1 for table in (animals, birds))
