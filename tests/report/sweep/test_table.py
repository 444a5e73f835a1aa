from collections.abc import Callable

import pytest

from leyden.report.sweep.table import SweepTable

SEEDS = (
    ("head", 2, "a.Digits", 0, 0.5),
    ("head", 2, "a.Digits", 1, 0.7),
    ("full", 2, "a.Digits", 0, 0.8),
    ("full", 2, "a.Digits", 1, None),
    ("head", None, "a.Digits", 0, 0.9),
    ("full", None, "a.Digits", 0, None),
)


def table(text: str) -> list[list[str]]:
    """The cells of the markdown table in a report."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]


def test_table_has_spreads_and_best_in_bold(sweep: Callable) -> None:
    files = SweepTable(["data.labels_per_class"], "model.strategy", "test/accuracy")(sweep(*SEEDS))
    assert set(files) == {"report.md", "report.csv"}
    header, _, two, all_labels = table(files["report.md"])
    assert header == ["labels_per_class", "head", "full"]
    assert two == ["2", "0.600 ± 0.141", "**0.800 (1 of 2)**"]
    assert all_labels == ["all", "0.900", "-"]  # one that stands alone is not the best of anything
    assert "from 4 of 6 runs" in files["report.md"]


def test_csv_has_every_cell_with_all_digits(sweep: Callable) -> None:
    files = SweepTable(["data.labels_per_class"], "model.strategy", "test/accuracy")(sweep(*SEEDS))
    header, first, *_, last = files["report.csv"].splitlines()
    assert header == "data.labels_per_class,model.strategy,mean,sd,runs,planned"
    assert first.startswith("2,head,0.6,0.14142135623730")
    assert first.endswith(",2,2")
    assert last == "all,full,,,0,1"


def test_lower_is_better_and_shared_axes(sweep: Callable) -> None:
    report = SweepTable(["data.source._target_", "data.labels_per_class"], ["model.strategy"], "test/accuracy", "min")
    header, _, *rows = table(report(sweep(*SEEDS, ("head", 5, "b.Faces", 0, 0.1)))["report.md"])
    assert header[:2] == ["source", "labels_per_class"]
    assert [row[:2] for row in rows] == [["Digits", "2"], ["Digits", "all"], ["Faces", "5"]]  # swept ones alone
    assert rows[0][2:] == ["**0.600 ± 0.141**", "0.800 (1 of 2)"]


def test_without_columns_the_metric_is_the_column(sweep: Callable) -> None:
    header, _, head, full = table(SweepTable(["model.strategy"], [], "steps")(sweep(*SEEDS))["report.md"])
    assert header == ["strategy", "steps"]
    assert [head, full] == [["head", "3.00 ± 0.00"], ["full", "3.00 (1 of 3)"]]


@pytest.mark.parametrize("jobs", [(), (("head", 2, "a", 0, None),), (("head", 2, "a", 0, float("nan")),)])
def test_nothing_to_report_is_reported(jobs: tuple, sweep: Callable) -> None:
    printed = SweepTable(["data.labels_per_class"], "model.strategy", "test/accuracy")(sweep(*jobs))["report.md"]
    assert f"from 0 of {len(jobs)} runs" in printed
