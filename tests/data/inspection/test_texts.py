"""What check-data sees of texts."""

from pathlib import Path

from leyden.data.inspection.inspect import inspect
from leyden.data.inspection.texts import TextInspection
from leyden.data.source.builtin.python_topics import PythonTopics
from leyden.data.source.text.csv_text import CsvText
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
    assert issue_counts(seen) == "issues: 1 x left out, 1 x note"
    assert len(issue_table(seen).splitlines()) == 3
    assert inspection_sheet(source, seen).shape == (3, 600, 900)


def test_texts_without_classes_are_read_too() -> None:
    source = PythonTopics()
    seen = inspect(source)
    assert isinstance(seen, TextInspection)
    assert int(seen.counts["train"]) == len(source.split("train"))
    assert inspection_sheet(source, seen).shape == (3, 600, 900)
