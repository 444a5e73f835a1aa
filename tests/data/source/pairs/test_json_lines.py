"""Pairs in JSON lines and tables: columns, splits, copies, what is refused."""

import json
from pathlib import Path

import pytest

from leyden.data.source.pairs.json_lines import JsonLines
from leyden.data.splits import STAGES

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


def pairs(source: JsonLines) -> dict[str, list[tuple[str, str]]]:
    return {stage: list(zip(*source.split(stage).columns, strict=True)) for stage in STAGES}


def news(file: Path, **more: list[str]) -> str:
    rows = [
        {"article": f"all of {w}", "highlights": f"only {w}", **{k: v[i % len(v)] for k, v in more.items()}}
        for i, w in enumerate(WORDS)
    ]
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return str(file)


def test_json_lines_by_columns(tmp_path: Path) -> None:
    found = pairs(JsonLines(news(tmp_path / "n.jsonl"), "article", "highlights"))
    assert sorted(pair for part in found.values() for pair in part) == sorted(
        (f"all of {w}", f"only {w}") for w in WORDS
    )
    assert {stage: len(part) for stage, part in found.items()} == {"train": 7, "val": 1, "test": 4}


def test_splits_by_column(tmp_path: Path) -> None:
    file = news(tmp_path / "n.jsonl", part=["train", "train", "train", "test"])
    found = pairs(JsonLines(file, "article", "highlights", "part", holdout=0.25))
    assert found["test"] == [
        ("all of four", "only four"),
        ("all of eight", "only eight"),
        ("all of twelve", "only twelve"),
    ]
    assert {stage: len(part) for stage, part in found.items()} == {"train": 7, "val": 2, "test": 3}


def test_tables_with_tabs(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("text\tsummary\n" + "".join(f"a b, {w}\t{w}!\n" for w in WORDS))
    assert sum(map(len, pairs(JsonLines(str(tmp_path / "t.tsv"))).values())) == 12


def test_unknown_columns_get_the_nearest_names(tmp_path: Path) -> None:
    file = news(tmp_path / "n.jsonl")
    with pytest.raises(ValueError, match=r"no column 'articles', which data.source.text names; did you mean article\?"):
        JsonLines(file, "articles", "highlights").prepare()
    with pytest.raises(ValueError, match=r"data.source.summary names; did you mean highlights\?"):
        JsonLines(file, "article", "highlight").prepare()
    with pytest.raises(ValueError, match="are both 'article'"):
        JsonLines(file, "article", "article")


def test_bytes_that_are_no_text_name_the_line(tmp_path: Path) -> None:
    file = Path(news(tmp_path / "n.jsonl"))
    file.write_bytes(file.read_bytes() + '{"article": "caf\xe9", "highlights": "x"}\n'.encode("latin-1"))
    with pytest.raises(ValueError, match=r"n\.jsonl:13: the byte 0xe9 is no utf-8: set data.source.encoding"):
        JsonLines(str(file), "article", "highlights").prepare()
    source = JsonLines(str(file), "article", "highlights", encoding="latin-1")
    assert ("café", "x") in [pair for part in pairs(source).values() for pair in part]


def test_empty_sides_and_copies_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "n.jsonl"
    news(file, split=["train", "val", "test"])
    more = [
        ("another text", "Only: TWELVE", "train"), ("", "nothing", "train"), ("no summary", " ", "test"),
        ("all of: twelve", "as the test has it", "train"), ("All of one", "again in training", "train"),
    ]  # fmt: skip
    with file.open("a") as out:
        for text, summary, split in more:
            out.write(json.dumps({"article": text, "highlights": summary, "split": split}) + "\n")
    source = JsonLines(str(file), "article", "highlights", "split")
    _, issues = source.inspect()
    assert [(i.kind, i.effect, i.line) for i in issues] == [
        ("same summary", "note", 13), ("empty text", "left out", 14), ("empty summary", "left out", 15),
        ("same text", "note", 16),
    ]  # fmt: skip
    assert all("of the split test" in issues[i].what for i in (0, 3))
    assert sum(map(len, pairs(source).values())) == 13  # a text may have two summaries in one split


def test_fewer_by_limit_are_among_them(tmp_path: Path) -> None:
    file = tmp_path / "n.csv"
    file.write_text("text,summary\n" + "".join(f"text {i},summary {i}\n" for i in range(200)))
    whole, part = pairs(JsonLines(str(file))), pairs(JsonLines(str(file), limit=100))
    assert {stage: len(found) for stage, found in part.items()} == {"train": 60, "val": 10, "test": 30}
    assert all({*part[stage]} < {*whole[stage]} for stage in STAGES)


def test_too_few_pairs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,summary\na,b\n")
    with pytest.raises(ValueError, match="t has 1 pairs of a text and a summary: give ten"):
        JsonLines(str(tmp_path / "t.csv")).prepare()
    with pytest.raises(ValueError, match="limit=3: should be 20"):
        JsonLines(str(tmp_path / "t.csv"), limit=3)
    with pytest.raises(FileNotFoundError, match="no such file"):
        JsonLines(str(tmp_path / "none.csv")).prepare()


def test_the_fingerprint_is_of_all_pairs(tmp_path: Path) -> None:
    one, other = (JsonLines(news(tmp_path / f"{n}.jsonl", x=[n]), "article", "highlights") for n in "ab")
    one.prepare(), other.prepare()
    assert one.fingerprint == other.fingerprint  # other columns and names do not count
    (tmp_path / "b.jsonl").write_text((tmp_path / "b.jsonl").read_text().replace("only six", "only 6"))
    changed = JsonLines(str(tmp_path / "b.jsonl"), "article", "highlights")
    changed.prepare()
    assert changed.fingerprint != one.fingerprint
