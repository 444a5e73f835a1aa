"""Rows that are predicted for: each line of CSV files."""

from pathlib import Path

import pytest

from leyden.data.inputs import in_chunks, input_files
from leyden.data.issues import Tally


def test_each_line_of_csv_files_is_an_input(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new/a.csv").write_text("x,y\n1,2\n3,nan\n")
    (tmp_path / "new/b.csv").write_text("x,y\n5,6\n")
    inputs = input_files(tmp_path / "new", tmp_path / "out", "rows", Tally())
    told: list[str] = []
    [chunk] = in_chunks(inputs, told.append)
    assert [(path, row.tolist()) for path, row in chunk] == [("a.csv:0", [1, 2]), ("b.csv:0", [5, 6])]
    assert "left out a.csv:1: row 1 has a value that is not finite" in told[0]
    assert len(input_files(tmp_path / "new/b.csv", tmp_path / "out", "rows", Tally())) == 1


def test_words_are_no_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,red\n")
    with pytest.raises(ValueError, match=r"a\.csv: no table of numbers below a heading"):
        input_files(tmp_path / "a.csv", tmp_path / "out", "rows", Tally())
