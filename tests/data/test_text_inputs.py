"""Texts that are predicted for: each line of a file, or each file of a folder."""

from pathlib import Path

import pytest

from leyden.data.inputs import input_files
from leyden.data.issues import Tally


def test_each_line_of_a_file_is_an_input(tmp_path: Path) -> None:
    (tmp_path / "new.txt").write_text("one text\n\n  another \n", encoding="utf-8")
    inputs = input_files(tmp_path / "new.txt", tmp_path / "out", "text", Tally())
    found = [(one.path, one.read()) for one in inputs]
    assert found == [("new.txt:1", "one text"), ("new.txt:3", "another")]
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(ValueError, match=r"empty\.txt: no line has anything in it"):
        input_files(tmp_path / "empty.txt", tmp_path / "out", "text", Tally())


def test_each_file_of_a_folder_is_an_input(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("two\nlines")
    [found] = input_files(tmp_path, tmp_path / "out", "text", Tally())
    assert (found.path, found.read()) == ("a.txt", "two\nlines")
