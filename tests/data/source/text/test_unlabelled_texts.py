"""Sources of texts without classes: names of a package, files of a folder."""

from itertools import pairwise
from pathlib import Path

import pytest

from leyden.data.source.text import text_folder
from leyden.data.source.text.names import Names
from leyden.data.source.text.text_folder import TextFolder
from leyden.data.splits import STAGES


def texts(source: TextFolder) -> dict[str, list[str]]:
    splits = {stage: source.split(stage) for stage in STAGES}
    return {stage: [split[i].texts for i in range(len(split))] for stage, split in splits.items()}


def write(folder: Path, **files: str) -> str:
    for name, text in files.items():
        file = folder / f"{name.replace('__', '/')}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return str(folder)


def test_names_are_the_census_s() -> None:
    pytest.importorskip("names")
    parts = {stage: Names().split(stage).columns.texts for stage in STAGES}
    every = [name for part in parts.values() for name in part]
    assert [len(part) for part in parts.values()] == [24_000, 3_000, 3_000]
    assert len(set(every)) == 30_000
    assert {"smith", "johnson"} < set(every)
    assert set("".join(every)) == set("abcdefghijklmnopqrstuvwxyz")
    # Neighbours share a first letter as often as any two names do, which the census's order would make 0.78.
    chance = sum((sum(name[0] == letter for name in every) / len(every)) ** 2 for letter in set("".join(every)))
    shared = sum(a[0] == b[0] for part in parts.values() for a, b in pairwise(part)) / len(every)
    assert shared == pytest.approx(chance, abs=0.01)
    assert sum(len(Names(None).split(stage)) for stage in STAGES) == 88_799


def test_few_names_are_refused() -> None:
    with pytest.raises(ValueError, match=r"data.source.count=29: should be 30"):
        Names(29)


def test_a_file_is_cut_at_a_line_s_end(tmp_path: Path) -> None:
    lines = [f"line {i:03d}" for i in range(100)]
    found = texts(TextFolder(write(tmp_path, book="\n".join(lines))))
    assert "".join(part for stage in STAGES for part in found[stage]) == "\n".join(lines)
    assert found["train"][0].startswith("line 000")
    assert all(part.startswith("line ") for stage in STAGES for part in found[stage])
    assert [found[stage][0].count("line") for stage in STAGES] == [80, 10, 10]


def test_many_files_are_divided_whole(tmp_path: Path) -> None:
    found = texts(TextFolder(write(tmp_path, **{f"deep__{i}": f"text {i}" for i in range(20)})))
    assert {stage: len(part) for stage, part in found.items()} == {"train": 16, "val": 2, "test": 2}
    assert len({text for part in found.values() for text in part}) == 20


def test_named_splits_go_before_others(tmp_path: Path) -> None:
    folder = write(tmp_path, train__a="a1\na2\na3", train__b="b", test="t", notes="n")
    found = texts(TextFolder(folder, holdout=0.4))
    assert found["test"] == ["t"]
    assert "".join(found["train"] + found["val"]).replace("\n", "") in ("na1a2a3b", "na1a2ba3")
    assert found["val"] == ["a3"]


def test_empty_files_and_copies_are_left_out(tmp_path: Path) -> None:
    source = TextFolder(write(tmp_path, train__a="same", test__b="same", train__c="other\ntext\n" * 9, train__d=""))
    splits, issues = source.inspect()
    assert sorted((i.kind, i.effect, i.file.name) for i in issues) == [
        ("empty file", "left out", "d.txt"),
        ("same file", "note", "a.txt"),
    ]
    assert splits["test"][0].texts == "same"


def test_long_files_come_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_folder, "PIECE", 50)
    content = "\n".join(f"line {i:03d}" for i in range(100))
    train = texts(TextFolder(write(tmp_path, book=content)))["train"]
    assert len(train) == 14
    assert content.startswith("".join(train))
    assert all(part.endswith("\n") for part in train)


def test_undecodable_bytes_name_their_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_folder, "PIECE", 20)
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf" + b"some words\r\n" * 30 + b"caf\xe9\n" + b"more\n" * 10)
    source = TextFolder(str(tmp_path))
    assert source.split("train")[0].texts == "some words\nsome words\n"
    with pytest.raises(ValueError, match=r"a\.txt:31: the byte 0xe9 is no utf-8: set data.source.encoding, such as"):
        texts(source)
    latin = texts(TextFolder(str(tmp_path), encoding="latin-1"))
    assert any("caf\xe9" in text for part in latin.values() for text in part)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no file that ends in .txt"):
        TextFolder(str(tmp_path)).split("train")
    with pytest.raises(ValueError, match="no text for the split val"):
        TextFolder(write(tmp_path, a="one line")).split("train")
    with pytest.raises(ValueError, match="encoding=utf-16: unknown, or a line does not end with the byte 10"):
        TextFolder(str(tmp_path), encoding="utf-16")
