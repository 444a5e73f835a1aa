"""Texts that are predicted for: each line of a file, or each file of a folder."""

from pathlib import Path

import pytest

from leyden.data.inputs import csv_texts, input_files
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


@pytest.mark.parametrize(
    ("name", "content"), [("a.csv", 'label,text\n1,"one, two"\n0,\n'), ("a.tsv", "review\none, two\n\n")]
)
def test_a_table_has_a_text_in_each_row(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    inputs = input_files(tmp_path / name, tmp_path / "out", "text", Tally())
    assert (inputs[0].path, inputs[0].read()) == (f"{name}:0", "one, two")


def test_tables_without_a_column_of_texts(tmp_path: Path) -> None:
    for content, message in {
        "review,label\na,1\n": "call the column with the texts 'text'; there are review, label",
        "text,label\n": "no row below the heading",
        "": "no table of UTF-8 text below a heading",
    }.items():
        (tmp_path / "a.csv").write_text(content)
        with pytest.raises(ValueError, match=message):
            input_files(tmp_path / "a.csv", tmp_path / "out", "text", Tally())


def test_a_row_without_a_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "some.csv"
    file.write_text('text,other\ngood,1\n"  ",2\n')
    first, second = csv_texts(file)
    assert first.read() == "good"
    with pytest.raises(ValueError, match="no text in this row"):
        second.read()
