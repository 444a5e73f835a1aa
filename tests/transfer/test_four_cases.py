from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from leyden.report.runs import Run
from leyden.transfer.four_cases import FourCases

NEAR, FAR = "a.Near", "b.Far"


@pytest.fixture
def sweep() -> Callable[..., list[Run]]:
    """Runs from (strategy, labels per class, source, seed, score) each; score None: it failed."""

    def make(*jobs: tuple[str, int | None, str, int, float | None]) -> list[Run]:
        runs = []
        for number, (strategy, labels, source, seed, score) in enumerate(jobs):
            data = {"labels_per_class": labels, "source": {"_target_": f"leyden.data.{source}"}}
            config = {"seed": seed, "lab": {"title": "Two ways"}, "model": {"strategy": strategy}, "data": data}
            metrics = {} if score is None else {"test/accuracy": score, "steps": 3.0}
            runs.append(Run(config=config, metrics=metrics, folder=Path(f"sweep/{number}_lab")))
        return runs

    return make


def jobs(labels: int | None, source: str, **scores: tuple[float | None, ...]) -> list[tuple]:
    """A job per strategy and seed of one case."""
    return [
        (strategy, labels, source, seed, score)
        for strategy, of_seeds in scores.items()
        for seed, score in enumerate(of_seeds)
    ]


SWEEP = [
    # Head leads truncate by .10, .10, .10: clear; scratch by .2, .1, .3: mean .2, standard error .1/sqrt(3): clear.
    *jobs(1, NEAR, scratch=(0.5, 0.7, 0.6), head=(0.7, 0.8, 0.9), truncate=(0.6, 0.7, 0.8)),
    # Full leads truncate by .3, -.2, .2: mean .1, error .153: noise.
    *jobs(1, FAR, full=(0.8, 0.4, 0.7), truncate=(0.5, 0.6, 0.5)),
    # Truncate leads full by .1, .2, .1: mean .133, error 1/30: clear.
    *jobs(20, NEAR, full=(0.7, 0.7, 0.6), truncate=(0.8, 0.9, 0.7)),
    # A single seed.
    *jobs(None, FAR, full=(0.7,), head=(0.8,), scratch=(None,)),
]


def report(runs: list[Run], **options: Any) -> Mapping[str, Any]:
    arguments: dict[str, Any] = {"metric": "test/accuracy", "small": 1, "similar": "Near"} | options
    return FourCases("data.labels_per_class", "data.source._target_", "model.strategy", **arguments)(runs)


def verdicts(text: str) -> dict[str, list[str]]:
    """The first table of the report: by case, advice, winner, its leads, whether the advice held."""
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    return {case: cells for case, *cells in lines[2:6]}


def test_each_case_says_who_won_by_how_much_and_whether_the_advice_held(sweep: Callable) -> None:
    told = verdicts(report(sweep(*SWEEP))["report.md"])
    advice, *found = told["small, similar"]
    assert advice.startswith("head: ")
    assert found == ["head", "truncate: 0.100 ± 0.000, clear", "0.200 ± 0.058, clear", "yes, it won"]
    noise = "within the noise"
    assert told["small, different"][1:] == [
        "full",
        f"truncate: 0.100 ± 0.153, {noise}",
        "-",
        f"yes, {noise} of full: behind by 0.100 ± 0.153",
    ]
    assert told["large, similar"][1:] == [
        "truncate",
        "full: 0.133 ± 0.033, clear",
        "-",
        "no: lost to truncate by 0.133 ± 0.033",
    ]
    one_seed = "0.100, a single seed, so no error is known"
    assert told["large, different"][1:] == ["head", f"full: {one_seed}", "-", f"open: behind head by {one_seed}"]


def test_scores_values_and_missing_runs_are_told(sweep: Callable) -> None:
    text = report(sweep(*SWEEP))["report.md"]
    assert "| small, similar | 0.600 ± 0.100 | **0.800 ± 0.100** | 0.700 ± 0.100 | - |" in " ".join(text.split())
    assert "small: data.labels_per_class = 1  \nlarge: data.labels_per_class = 20, all" in text
    assert "similar: data.source._target_ = Near  \ndifferent: data.source._target_ = Far" in text
    assert f"from {len(SWEEP) - 1} of {len(SWEEP)} runs" in text
    assert "Cells without it: labels_per_class=large, source=different, strategy=scratch." in text


def test_csv_has_a_line_per_case_and_strategy(sweep: Callable) -> None:
    header, *lines = report(sweep(*SWEEP))["report.csv"].splitlines()
    rows = [dict(zip(header.split(","), line.split(",")[1:], strict=False)) for line in lines]
    assert header == "target data,strategy,mean,sd,runs,planned,rank,behind,behind_error,advised"
    assert len(rows) == 16
    [line] = [line for line in lines if line.startswith('"small, similar",truncate')]
    assert [round(float(value), 6) for value in line.split(",")[3:9]] == [0.7, 0.1, 3, 3, 2, 0.1]


def test_lower_may_be_better(sweep: Callable) -> None:
    told = verdicts(report(sweep(*SWEEP), mode="min")["report.md"])
    assert told["small, similar"][1] == "scratch"
    assert told["small, similar"][4] == "no: lost to scratch by 0.200 ± 0.058"


def test_several_large_values_are_compared_value_by_value(sweep: Callable) -> None:
    large = [*jobs(5, NEAR, head=(0.3, 0.3), full=(0.4, 0.4)), *jobs(9, NEAR, head=(None, None), full=(0.9, 0.9))]
    told = verdicts(report(sweep(*large))["report.md"])
    assert told["large, similar"][1:3] == ["full", "head: 0.100 ± 0.000, clear"]  # the runs with 9 labels have no pair


def test_the_picture_has_a_panel_per_case(sweep: Callable) -> None:
    assert report(sweep(*SWEEP))["report.png"].shape == (3, 800, 1000)


@pytest.mark.parametrize("labels", [[], [(1, None)], [(1, float("nan"))]])
def test_nothing_to_report_is_reported(labels: list, sweep: Callable) -> None:
    files = report(sweep(*(("head", count, NEAR, 0, score) for count, score in labels)))
    assert set(files) == {"report.md", "report.csv"}
    assert set(verdicts(files["report.md"])) == {
        f"{a}, {b}" for a in ("small", "large") for b in ("similar", "different")
    }
    assert f"from 0 of {len(labels)} runs" in files["report.md"]


def test_a_strategy_alone_has_nothing_to_beat(sweep: Callable) -> None:
    told = verdicts(report(sweep(*jobs(1, NEAR, head=(0.5, 0.6)), *jobs(1, FAR, head=(0.5, 0.6))))["report.md"])
    assert told["small, similar"][1:] == ["head", "-", "-", "nothing to compare with"]
    assert told["small, different"][4] == "no run of truncate"


def test_different_numbers_of_samples_are_not_compared(sweep: Callable) -> None:
    runs = sweep(("head", 1, NEAR, 0, 0.5), ("full", 1, NEAR, 0, 0.7))
    for run, count in zip(runs, (100.0, 539.0), strict=True):
        run["metrics"]["test/samples"] = count
    with pytest.raises(ValueError, match="different numbers of samples do not compare"):
        report(runs)
