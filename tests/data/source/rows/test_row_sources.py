"""Sources of rows: a folder of MATLAB files, svmlight files, a CSV file; what each refuses names the cure."""

import functools
import operator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.io import savemat
from sklearn.datasets import dump_svmlight_file

from leyden.data.source.rows.csv_rows import CsvRows
from leyden.data.source.rows.mat_folder import MatFolder
from leyden.data.source.rows.svmlight_folder import SvmlightFolder

SCALES: tuple[Any, ...] = ("none", "binary", "unit")


def mats(folder: Path) -> str:
    rows = np.arange(24.0).reshape(8, 3) + 1
    for name in ("amazon_SURF_L10", "webcam_SURF_L10"):
        savemat(folder / f"{name}.mat", {"fts": rows, "labels": np.array([[1, 1, 1, 1, 2, 2, 2, 2]]).T})
    return str(folder)


def test_a_matlab_file_by_a_word(tmp_path: Path) -> None:
    source = MatFolder(mats(tmp_path), "Amazon")
    source.prepare()
    rows, labels = source.split("train").columns
    torch.testing.assert_close(rows.sum(1), torch.ones(8))
    assert labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert source.class_names == ["1", "2"]
    assert (len(source.split("val")), len(source.split("test"))) == (0, 8)
    other = source.of_domain("webcam")
    assert other.name == "webcam"
    assert len(other.split("train")) == 8


def test_the_protocol_split_shares_no_row(tmp_path: Path) -> None:
    source = MatFolder(mats(tmp_path), "amazon", "none", "split")
    rows = [source.split(stage).columns.rows[:, 0].tolist() for stage in ("train", "val", "test")]
    assert sorted(functools.reduce(operator.iadd, rows, [])) == list(range(1, 25, 3))


def test_office_caltech_is_what_the_tables_have(dev_data: Path) -> None:
    counts = {}
    for domain in ("caltech", "amazon", "webcam", "dslr"):
        source = MatFolder(str(dev_data / "office_caltech_surf"), domain)
        source.prepare()
        counts[domain] = len(source.split("test"))
        assert (len(source.class_names), len(source.feature_names)) == (10, 800)
    assert counts == {"caltech": 1123, "amazon": 958, "webcam": 295, "dslr": 157}


def test_svmlight_pairs(tmp_path: Path) -> None:
    rows, labels = np.eye(20), np.arange(20) % 2
    dump_svmlight_file(rows, labels, str(tmp_path / "books_train.svmlight"), zero_based=False)
    dump_svmlight_file(rows[:6], labels[:6], str(tmp_path / "books_test.svmlight"), zero_based=False)
    source = SvmlightFolder(str(tmp_path), "books", 0.2)
    assert [len(source.split(stage)) for stage in ("train", "val", "test")] == [16, 4, 6]
    assert source.split("test").columns.rows.shape == (6, 20)
    assert source.split("val").columns.labels.bincount().tolist() == [2, 2]
    with pytest.raises(FileNotFoundError, match=r"no dvd_train.*it has books\): set data.source.domain"):
        SvmlightFolder(str(tmp_path), "dvd").prepare()


def test_svmlight_counts_by_scale(tmp_path: Path) -> None:
    for part in ("train", "test"):
        dump_svmlight_file(np.array([[3, 0, 1]] * 20), np.arange(20) % 2, str(tmp_path / f"a_{part}.svmlight"))
    rows = {scale: SvmlightFolder(str(tmp_path), "a", 0.2, scale).split("test").columns.rows[0] for scale in SCALES}
    assert rows["none"].tolist() == [3, 0, 1]
    assert rows["binary"].tolist() == [1, 0, 1]
    torch.testing.assert_close(rows["unit"], torch.tensor([2.0, 0, 1]) / 5**0.5)  # ln 4 is twice ln 2
    with pytest.raises(ValueError, match="scale='half': there are none, binary, unit"):
        SvmlightFolder(str(tmp_path), "a", 0.2, "half")  # type: ignore[arg-type]


def test_amazon_reviews_are_the_paper_s_files(dev_data: Path) -> None:
    source = SvmlightFolder(str(dev_data / "amazon_svmlight"), "books")
    source.prepare()
    assert (len(source.split("train")), len(source.split("val"))) == (1800, 200)
    assert len(source.feature_names) == 5000


def csv(folder: Path, text: str) -> str:
    (folder / "table.csv").write_text(text)
    return str(folder / "table.csv")


def test_a_domain_of_a_csv_file(tmp_path: Path) -> None:
    file = csv(tmp_path, "a,b,where,kind\n1,2,x,no\n3,4,y,yes\n5,6,x,no\n")
    source = CsvRows(file, "kind", "where", "x", "whole")
    source.prepare()
    assert source.split("test").columns.rows.tolist() == [[1, 2], [5, 6]]
    assert (source.class_names, source.feature_names) == (["no", "yes"], ["a", "b"])  # classes of all domains
    assert source.of_domain("y").split("test").columns.labels.tolist() == [1]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a,kind\n1,x\n,y\n", {}, "row 1 has nan in column 0, .* fill them in or leave"),
        ("a,kind\nred,x\n", {}, "the column 'a' holds no numbers: leave it out or encode it"),
        ("a,b\n1,2\n", {}, "has no column 'kind': there are a, b"),
        ("a,kind,w\n1,x,p\n", {"domain_column": "w", "domain": "q"}, r"no row has the domain 'q': there are \['p'\]"),
    ],
)
def test_csv_files_that_cannot_be_used(tmp_path: Path, text: str, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CsvRows(csv(tmp_path, text), "kind", **options).prepare()


def test_words_that_name_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"begins the names of 0 files .* there are amazon"):
        MatFolder(mats(tmp_path), "dslr").prepare()
    with pytest.raises(FileNotFoundError, match=r"no .mat file in .* set paths.data or data.source.root"):
        MatFolder(str(tmp_path / "none"), "dslr").prepare()
    with pytest.raises(ValueError, match="protocol='all': there are whole, split"):
        MatFolder(str(tmp_path), "dslr", protocol="all")
    with pytest.raises(ValueError, match="belong together: set both, or neither"):
        CsvRows("x.csv", domain="a")
    savemat(tmp_path / "odd.mat", {"x": 1})
    with pytest.raises(ValueError, match=r"has no 'fts': save features as fts"):
        MatFolder(str(tmp_path), "odd").prepare()
    (tmp_path / "broken.mat").write_text("no matlab")
    with pytest.raises(ValueError, match="no MATLAB file that can be read"):
        MatFolder(str(tmp_path), "broken").prepare()
