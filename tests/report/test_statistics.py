import math
from collections.abc import Callable

import pandas as pd
import pytest

from leyden.report.runs import ABSENT, Axis, axis, value_at
from leyden.report.statistics import decimals, margin, plus_minus, ranked, score_table, summarize
from leyden.report.sweep.curve import SweepCurve
from leyden.report.sweep.table import SweepTable
from leyden.report.sweep.trade_off import TradeOff
from leyden.report.variants import VariantTable

METRIC = "test/accuracy"


def scores(*values: float, seeds: list[int] | None = None, pooled: list[str] | None = None) -> pd.DataFrame:
    """A run per value, with seeds 0, 1, ... if none are given."""
    columns = {0: "a", "seed": seeds or list(range(len(values))), "pooled": pooled or "[]"}
    return pd.DataFrame({**columns, "score": values}, index=range(len(values)))


def summary(*values: float, **options: list) -> pd.Series:
    return summarize(scores(*values, **options), [["a"]]).iloc[0]


def test_mean_and_deviation_are_of_the_seeds() -> None:
    assert summary(0.6, 0.7, 0.8)["mean"] == pytest.approx(0.7)
    assert summary(0.6, 0.7, 0.8)["sd"] == pytest.approx(0.1)  # sqrt((0.01 + 0 + 0.01) / (3 - 1))
    assert summary(0.6)["mean"] == 0.6
    assert math.isnan(summary(0.6)["sd"])
    assert math.isnan(summary()["mean"])


def test_runs_of_one_seed_count_as_one() -> None:
    pooled = summary(0.4, 0.6, 0.6, 0.8, seeds=[0, 0, 1, 1], pooled=["2", "5", "2", "5"])
    assert pooled["mean"] == pytest.approx(0.6)
    assert pooled["sd"] == pytest.approx(math.sqrt(0.02))  # not that of four scores
    assert pooled[["runs", "planned", "seeds"]].tolist() == [4, 4, 2]


def test_margins_are_taken_seed_by_seed() -> None:
    lead = margin(scores(0.5, 0.7, 0.9), scores(0.4, 0.6, 0.7), "max")  # differences 0.1, 0.1, 0.2
    assert lead.mean == pytest.approx(0.4 / 3)
    assert lead.error == pytest.approx(1 / 30)  # their standard deviation 0.1 / sqrt(3), over sqrt(3)
    assert lead.seeds == 3
    assert lead.clear
    assert not margin(scores(0.5, 0.7), scores(0.4, 0.8), "max").clear
    assert margin(scores(0.5, 0.7), scores(0.4, 0.8), "min").mean == pytest.approx(0)


def test_margins_need_common_seeds() -> None:
    other = scores(0.6, 0.1, seeds=[1, 5])
    assert margin(scores(0.5, 0.7), other, "max")[::2] == (pytest.approx(0.1), 1)
    for unknown in (margin(scores(0.9), scores(0.1), "max"), margin(scores(0.9), scores(), "max")):
        assert not unknown.clear
    assert margin(scores(0.9), scores(), "max").seeds == 0


def test_margins_pair_equal_pooled_values() -> None:
    first = scores(0.5, 0.9, seeds=[0, 0], pooled=["2", "10"])
    second = scores(0.4, seeds=[0], pooled=["2"])  # its run with 10 labels failed
    assert margin(first, second, "max").mean == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("largest", "digits"), [(0.96, 3), (1.0, 3), (2.67, 2), (35.0, 1), (12000.0, 0), (0.0012, 5), (0.0, 3), (-2.0, 2)]
)
def test_the_largest_number_shows_three_digits(largest: float, digits: int) -> None:
    assert decimals([largest, math.nan]) == digits


def test_spread_and_missing_runs_are_shown() -> None:
    assert plus_minus(summary(0.6, 0.7, 0.8), 3) == "0.700 ± 0.100"
    assert plus_minus(summary(0.6, math.nan, math.nan), 2) == "0.60 (1 of 3)"
    assert plus_minus(summary(math.nan), 2) == "-"


def test_axis_orders_numbers_and_keeps_names(sweep: Callable) -> None:
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


def test_absent_key_is_its_own_value(sweep: Callable) -> None:
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
def test_unknown_key_names_the_nearest(key: str, message: str, sweep: Callable) -> None:
    with pytest.raises(ValueError, match=message):
        axis(sweep(("head", 1, "a", 0, 1)), key)
    assert axis([], key).names == []


def test_planned_and_scored_runs_are_counted(sweep: Callable) -> None:
    runs = sweep(("head", 1, "a", 0, 0.5), ("head", 1, "a", 1, None), ("full", 2, "a", 0, math.nan))
    axes = [axis(runs, "model.strategy"), axis(runs, "data.labels_per_class")]
    found = summarize(score_table(runs, axes, METRIC), [axis.names for axis in axes])
    counts = found[["planned", "runs"]].apply(tuple, axis=1).to_dict()
    assert counts == {("head", "1"): (2, 1), ("head", "2"): (0, 0), ("full", "1"): (0, 0), ("full", "2"): (1, 0)}


def test_values_of_one_name_are_pooled(sweep: Callable) -> None:
    runs = sweep(("head", 5, "a", 0, 0.5), ("head", 9, "a", 0, 0.7))
    halves = Axis("data.labels_per_class", [(5, "large"), (9, "large")])
    found = score_table(runs, [halves], METRIC)
    assert found[0].tolist() == ["large", "large"]
    assert found["pooled"].tolist() == ["[5]", "[9]"]


def test_ranks_leave_out_what_has_no_score() -> None:
    means = {"a": 0.5, "b": 0.7, "c": math.nan}
    assert ranked(means, "max") == ["b", "a"]
    assert ranked(means, "min") == ["a", "b"]


def test_different_numbers_of_samples_do_not_compare(sweep: Callable) -> None:
    runs = sweep(("head", 1, "a", 0, 0.5), ("full", 1, "a", 0, 0.7), ("full", 1, "a", 1, None))
    for run in runs[:2]:
        run["metrics"]["test/samples"] = 539.0
    SweepTable(["model.strategy"], [], METRIC)(runs)
    runs[0]["metrics"]["test/samples"] = 100.0
    message = r"different numbers of samples do not compare: 100 \(0_lab\), 539 \(1_lab\); .* one model\.eval_samples"
    for report in (
        SweepTable(["model.strategy"], [], METRIC),
        SweepCurve("data.labels_per_class", "model.strategy", METRIC, "Title", "labels"),
        VariantTable("model.strategy", {METRIC: "max"}),
        TradeOff("model.strategy", METRIC, {"steps": "steps"}, "Title"),
    ):
        with pytest.raises(ValueError, match=message):
            report(runs)
