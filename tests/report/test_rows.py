import math
from collections.abc import Callable

import pytest

from leyden.report.curve import SweepCurve
from leyden.report.rows import ABSENT, Axis, Cell, Score, axis, best, margin, sort_into_cells, value_at
from leyden.report.table import SweepTable

METRIC = "test/accuracy"


def cell(*scores: float) -> Cell:
    """One run per score, with seeds 0, 1, ..."""
    return Cell(len(scores), [Score(seed, (), score) for seed, score in enumerate(scores)])


def test_mean_and_standard_deviation_are_of_the_seeds() -> None:
    assert cell(0.6, 0.7, 0.8).mean == pytest.approx(0.7)
    assert cell(0.6, 0.7, 0.8).sd == pytest.approx(0.1)  # sqrt((0.01 + 0 + 0.01) / (3 - 1))
    assert cell(0.6).mean == 0.6
    assert math.isnan(cell(0.6).sd)
    assert math.isnan(Cell().mean)


def test_runs_of_one_seed_count_as_one() -> None:
    pooled = Cell(4, [Score(0, ("2",), 0.4), Score(0, ("5",), 0.6), Score(1, ("2",), 0.6), Score(1, ("5",), 0.8)])
    assert pooled.by_seed == pytest.approx([0.5, 0.7])
    assert pooled.sd == pytest.approx(math.sqrt(0.02))  # not that of four scores


def test_a_margin_is_taken_seed_by_seed() -> None:
    lead = margin(cell(0.5, 0.7, 0.9), cell(0.4, 0.6, 0.7), "max")  # differences 0.1, 0.1, 0.2
    assert lead.mean == pytest.approx(0.4 / 3)
    assert lead.error == pytest.approx(1 / 30)  # their standard deviation 0.1 / sqrt(3), over sqrt(3)
    assert lead.seeds == 3
    assert lead.clear
    assert not margin(cell(0.5, 0.7), cell(0.4, 0.8), "max").clear
    assert margin(cell(0.5, 0.7), cell(0.4, 0.8), "min").mean == pytest.approx(0)


def test_a_margin_needs_common_seeds() -> None:
    other = Cell(2, [Score(1, (), 0.6), Score(5, (), 0.1)])
    assert margin(cell(0.5, 0.7), other, "max")[::2] == (pytest.approx(0.1), 1)
    for nothing_to_judge_by in (margin(cell(0.9), cell(0.1), "max"), margin(cell(0.9), Cell(), "max")):
        assert not nothing_to_judge_by.clear
    assert margin(cell(0.9), Cell(), "max").seeds == 0


def test_a_margin_pairs_only_what_has_the_same_pooled_values() -> None:
    first = Cell(2, [Score(0, ("2",), 0.5), Score(0, ("10",), 0.9)])
    second = Cell(2, [Score(0, ("2",), 0.4)])  # its run with 10 labels failed
    assert margin(first, second, "max").mean == pytest.approx(0.1)


def test_numbers_are_ordered_upwards_with_all_behind_and_words_as_they_were_swept(sweep: Callable) -> None:
    runs = sweep(("head", 10, "b", 0, 1), ("full", None, "b", 0, 1), ("head", 2, "a", 0, 1))
    assert axis(runs, "data.labels_per_class").names == ["2", "10", "all"]
    assert axis(runs, "model.strategy").names == ["head", "full"]
    assert axis(runs, "data.source._target_").names == ["b", "a"]
    assert axis(runs, "data.source._target_", ["a", "leyden.data.b"]).names == ["a", "b"]
    assert axis(runs, "data.labels_per_class", [None, 10]).names == ["all", "10", "2"]
    assert axis(runs, "model.widths").names == ["[8, 16]"]


def test_targets_of_one_last_part_keep_their_whole_names(sweep: Callable) -> None:
    runs = sweep(("head", 1, "a.Net", 0, 1), ("head", 1, "b.Net", 0, 1))
    assert axis(runs, "data.source._target_").names == ["leyden.data.a.Net", "leyden.data.b.Net"]


def test_none_among_words_is_no_number(sweep: Callable) -> None:
    runs = sweep(("head", 1, "a", 0, 1), ("full", 1, "a", 0, 1))
    runs[1]["config"]["model"]["strategy"] = None
    assert axis(runs, "model.strategy").names == ["head", "none"]


def test_a_run_without_the_key_is_a_value_of_its_own(sweep: Callable) -> None:
    runs = sweep(("head", 1, "a", 0, 1), ("full", 1, "a", 0, 1))
    del runs[1]["config"]["model"]
    assert axis(runs, "model.strategy").names == ["head", ABSENT]
    assert value_at({"seed": 0}, "seed.deeper") == ABSENT


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("model.stratgy", r"model\.stratgy that the report asks for; did you mean model\.strategy\?"),
        ("modl", r"did you mean model\?"),
        ("model.xyz", "model has strategy, widths"),
        ("seed.xyz", "seed has no keys below it"),
    ],
)
def test_a_key_that_no_run_has_is_answered_with_the_nearest(key: str, message: str, sweep: Callable) -> None:
    with pytest.raises(ValueError, match=message):
        axis(sweep(("head", 1, "a", 0, 1)), key)
    assert axis([], key).names == []


def test_cells_know_what_was_planned_and_what_has_a_score(sweep: Callable) -> None:
    runs = sweep(("head", 1, "a", 0, 0.5), ("head", 1, "a", 1, None), ("full", 2, "a", 0, math.nan))
    cells = sort_into_cells(runs, [axis(runs, "model.strategy"), axis(runs, "data.labels_per_class")], METRIC)
    counts = {names: (cell.planned, len(cell.scores)) for names, cell in cells.items()}
    assert counts == {("head", "1"): (2, 1), ("head", "2"): (0, 0), ("full", "1"): (0, 0), ("full", "2"): (1, 0)}


def test_values_of_one_name_are_pooled(sweep: Callable) -> None:
    runs = sweep(("head", 5, "a", 0, 0.5), ("head", 9, "a", 0, 0.7))
    halves = Axis("data.labels_per_class", [(5, "large"), (9, "large")])
    [pooled] = sort_into_cells(runs, [halves], METRIC).values()
    assert pooled.scores == [Score(0, ("5",), 0.5), Score(0, ("9",), 0.7)]


def test_the_best_comes_first_and_what_has_no_score_not_at_all() -> None:
    cells = {"a": cell(0.5), "b": cell(0.7), "c": Cell(1)}
    assert best(cells, "max") == ["b", "a"]
    assert best(cells, "min") == ["a", "b"]


def test_runs_judged_on_different_numbers_of_samples_are_not_compared(sweep: Callable) -> None:
    runs = sweep(("head", 1, "a", 0, 0.5), ("full", 1, "a", 0, 0.7), ("full", 1, "a", 1, None))
    axes = [axis(runs, "model.strategy")]
    for run in runs[:2]:
        run["metrics"]["test/samples"] = 539.0
    assert [len(found.scores) for found in sort_into_cells(runs, axes, METRIC).values()] == [1, 1]
    runs[0]["metrics"]["test/samples"] = 100.0
    message = r"different numbers of samples do not compare: 100 \(0_lab\), 539 \(1_lab\); .* one model\.eval_samples"
    for report in (
        lambda: sort_into_cells(runs, axes, METRIC),
        lambda: SweepTable(["model.strategy"], [], METRIC)(runs),
        lambda: SweepCurve("data.labels_per_class", "model.strategy", METRIC, "Title", "labels")(runs),
    ):
        with pytest.raises(ValueError, match=message):
            report()
