from collections.abc import Callable

import pytest

from leyden.report.rows import Cell, Score, axis, sort_into_cells
from leyden.report.text import csv_table, digits_for, footing, heading, markdown_table, plus_minus, short


def cell(*scores: float, planned: int = 0) -> Cell:
    return Cell(planned or len(scores), [Score(seed, (), score) for seed, score in enumerate(scores)])


@pytest.mark.parametrize(
    ("largest", "digits"), [(0.96, 3), (1.0, 3), (2.67, 2), (35.0, 1), (12000.0, 0), (0.0012, 5), (0.0, 3), (-2.0, 2)]
)
def test_the_largest_number_shows_three_digits(largest: float, digits: int) -> None:
    assert digits_for([cell(largest), Cell()]) == digits


def test_a_cell_says_its_spread_and_what_is_missing() -> None:
    assert plus_minus(cell(0.6, 0.7, 0.8), 3) == "0.700 ± 0.100"
    assert plus_minus(cell(0.6, planned=3), 2) == "0.60 ± - (1 of 3)"
    assert plus_minus(cell(planned=3), 2) == "-"


def test_a_key_is_named_by_its_last_word_that_means_something() -> None:
    assert [short(key) for key in ("model.strategy", "data.source._target_", "seed")] == ["strategy", "source", "seed"]


def test_tables_are_aligned_and_escaped() -> None:
    assert markdown_table(["a", "b"], [["x|y", "1"]]).splitlines() == ["| a    | b |", "|------|---|", "| x\\|y | 1 |"]
    assert csv_table(["a", "b"], [["x,y", float("nan")]]) == 'a,b\n"x,y",\n'


def test_the_footing_names_missing_runs_and_cells(sweep: Callable) -> None:
    runs = sweep(("head", 1, "a", 0, 0.5), ("head", 2, "a", 0, None), ("full", 1, "a", 0, 0.6))
    axes = [axis(runs, "model.strategy"), axis(runs, "data.labels_per_class")]
    said = footing(runs, axes, sort_into_cells(runs, axes, "test/accuracy"), "test/accuracy")
    assert "from 2 of 3 runs" in said
    assert "Runs without it: 1_lab." in said
    assert "Cells without it: strategy=head, labels_per_class=2." in said
    assert "Not in the sweep: strategy=full, labels_per_class=2." in said


def test_the_footing_says_what_was_measured_instead_and_what_is_pooled(sweep: Callable) -> None:
    runs = sweep(*(("head", labels, "a", 0, 0.5) for labels in range(15)))
    axes = [axis(runs, "model.strategy")]
    assert "several runs of a seed" in footing(runs, axes, sort_into_cells(runs, axes, "steps"), "steps")
    said = footing(runs, axes, sort_into_cells(runs, axes, "test/acc"), "test/acc")
    assert "No run measured it; what they measured: steps, test/accuracy." in said
    assert "11_lab and 3 more." in said


def test_a_heading_needs_no_lab(sweep: Callable) -> None:
    assert heading(sweep(("head", 1, "a", 0, 0.5))) == "# Two ways\n\nWhich?"
    assert heading([]) == "# Report"
