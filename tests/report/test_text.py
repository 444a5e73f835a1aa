from collections.abc import Callable

from leyden.report.runs import Axis, Run, axis
from leyden.report.statistics import score_table, summarize
from leyden.report.text import csv_table, footnotes, heading, markdown_table, short


def notes(runs: list[Run], axes: list[Axis], metric: str) -> str:
    summary = summarize(score_table(runs, axes, metric), [axis.names for axis in axes])
    return footnotes(runs, axes, summary, metric)


def test_short_names_of_keys() -> None:
    assert [short(key) for key in ("model.strategy", "data.source._target_", "seed")] == ["strategy", "source", "seed"]


def test_tables_are_aligned_and_escaped() -> None:
    assert markdown_table(["a", "b"], [["x|y", "1"]]).splitlines() == ["| a    | b |", "|------|---|", "| x\\|y | 1 |"]
    assert csv_table(["a", "b"], [["x,y", float("nan")]]) == 'a,b\n"x,y",\n'


def test_footnotes_name_missing_runs_and_cells(sweep: Callable) -> None:
    runs = sweep(("head", 1, "a", 0, 0.5), ("head", 2, "a", 0, None), ("full", 1, "a", 0, 0.6))
    axes = [axis(runs, "model.strategy"), axis(runs, "data.labels_per_class")]
    printed = notes(runs, axes, "test/accuracy")
    assert "from 2 of 3 runs" in printed
    assert "Runs without it: 1_lab." in printed
    assert "Cells without it: strategy=head, labels_per_class=2." in printed
    assert "Not in the sweep: strategy=full, labels_per_class=2." in printed


def test_footnotes_name_measured_and_pooled(sweep: Callable) -> None:
    runs = sweep(*(("head", labels, "a", 0, 0.5) for labels in range(15)))
    axes = [axis(runs, "model.strategy")]
    assert "several runs of a seed" in notes(runs, axes, "steps")
    printed = notes(runs, axes, "test/acc")
    assert "No run measured it; what they measured: steps, test/accuracy." in printed
    assert "11_lab and 3 more." in printed


def test_a_heading_needs_no_lab(sweep: Callable) -> None:
    assert heading(sweep(("head", 1, "a", 0, 0.5))) == "# Two ways\n\nWhich?"
    assert heading([]) == "# Report"
