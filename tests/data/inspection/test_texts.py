"""What check-data sees of texts."""

from pathlib import Path
from typing import ClassVar

from toy_pairs import ToyPairs

from leyden.data.columns import Texts
from leyden.data.inspection.inspect import inspect
from leyden.data.inspection.texts import TextInspection
from leyden.data.source import Source
from leyden.data.source.builtin.python_topics import PythonTopics
from leyden.data.source.text.csv_text import CsvText
from leyden.data.splits import InMemory, Stage
from leyden.report.inspection.report import inspection_report, inspection_sheet, issue_counts, issue_table


def seen_of(folder: Path) -> tuple[CsvText, TextInspection]:
    rows = "".join(f"word {'and ' * i}number {i},{'ab'[i % 2]}\n" for i in range(20))
    (folder / "t.csv").write_text(f"text,label\n{rows}Café word,a\nword number 0,a\n,b\n", encoding="utf-8")
    source = CsvText(str(folder / "t.csv"))
    seen = inspect(source)
    assert isinstance(seen, TextInspection)
    return source, seen


def test_texts_are_counted(tmp_path: Path) -> None:
    _, seen = seen_of(tmp_path)
    assert sum(int(count.sum()) for count in seen.counts.values()) == 21
    assert sum(int(count[0]) for count in seen.counts.values()) == 11
    assert sorted(int(n) for count in seen.words.values() for n in count) == [2, *range(3, 23)]
    assert sum(seen.beyond_ascii.values()) == 1
    assert seen.across == 0
    assert [issue.kind for issue in seen.issues] == ["same text", "empty text"]


def test_the_report_shows_lengths_classes_and_issues(tmp_path: Path) -> None:
    source, seen = seen_of(tmp_path)
    report = inspection_report(source, seen)
    assert "read as utf-8; texts with signs beyond ASCII: 1" in report
    assert "1 x empty text (left out: does not train)" in report
    assert "a: word number 0" in report
    assert "balance: always a would be right in train 53.8%, val 50.0%, test 50.0%" in report
    assert issue_counts(seen) == "issues: 1 x left out, 1 x note"
    assert len(issue_table(seen).splitlines()) == 3
    assert inspection_sheet(source, seen).shape == (3, 600, 900)


def test_texts_without_classes_are_read_too() -> None:
    source = PythonTopics()
    seen = inspect(source)
    assert isinstance(seen, TextInspection)
    assert int(seen.counts["train"]) == len(source.split("train"))
    assert inspection_sheet(source, seen).shape == (3, 600, 900)


class Plain(Source):
    """Texts with copies and spoiled signs."""

    produces, name = "text", "plain"
    texts: ClassVar[dict[Stage, list[str]]] = {
        "train": ["one two", "One, two!", "caf\u00c3\u00a9 here", "caf\u00e9 there", "A\u00c3O"],
        "val": ["lost \ufffd\ufffd", "\u00e2\u20ac\u0153so\u00e2\u20ac"],
        "test": ["ONE two", "three"],
    }

    def split(self, stage: Stage) -> InMemory[Texts]:
        return InMemory(Texts(self.texts[stage]))


def test_copies_and_wrong_encodings_are_found() -> None:
    seen = inspect(Plain())
    assert isinstance(seen, TextInspection)
    assert [(issue.kind, issue.effect, str(issue.file)) for issue in seen.issues] == [
        ("text twice in a split", "note", "train 1"),
        ("spoiled encoding", "warning", "train 2"),
        ("spoiled encoding", "warning", "val 0"),
        ("spoiled encoding", "warning", "val 1"),
        ("text of two splits", "warning", "test 0"),
    ]
    assert seen.across == 1
    assert "has the words of train 0" in seen.issues[-1].what
    assert "texts with the words of an earlier split: 1" in inspection_report(Plain(), seen)


def test_pairs_show_the_lengths_of_both_sides() -> None:
    source = ToyPairs()
    seen = inspect(source)
    assert isinstance(seen, TextInspection)
    assert {int(count.max()) for count in seen.summary_words.values()} == {5}
    assert sum(map(len, seen.summary_words.values())) == 60
    report = inspection_report(source, seen)
    assert "summary: A red house number 1." in report
    assert "| train | 36" in " ".join(report.split())
    assert not seen.issues
    assert inspection_sheet(source, seen).shape == (3, 600, 900)
