from pathlib import Path

import pytest
import yaml

from leyden.report.expectations import Outcome, expect_yaml, outcome_table, outcomes, verdicts
from leyden.report.runs import Run


def run_of(lab: str, expect: dict[str, dict[str, float]], **metrics: float) -> Run:
    return Run(config={"lab": {"name": lab, "expect": expect}}, metrics=metrics, folder=Path())


@pytest.mark.parametrize(
    ("bounds", "metrics", "verdict"),
    [
        ({"min": 0.9}, {"m": 0.95}, "m at least 0.9: 0.95, as expected"),
        ({"min": 0.9}, {"m": 0.85}, "m at least 0.9: 0.85, NOT as expected"),
        ({"max": 3}, {"m": 3.5}, "m at most 3: 3.5, NOT as expected"),
        ({"min": 1, "max": 2}, {"m": 1.5}, "m at least 1 and at most 2: 1.5, as expected"),
        ({"min": 1}, {"m": float("nan")}, "m at least 1: nan, NOT as expected"),
        ({"min": 1}, {}, "m at least 1: not measured"),
    ],
)
def test_verdict_compares_value_and_bounds(bounds: dict, metrics: dict, verdict: str) -> None:
    assert verdicts({"m": bounds}, metrics) == [verdict]


def test_each_metric_of_each_lab_over_all_seeds() -> None:
    one, other = {"a": {"min": 1.0}, "b": {"min": 0.0, "max": 0.5}}, {"a": {"max": 3.0}}
    runs = [
        run_of("one", one, a=1.0, b=0.4),
        run_of("one", one, a=2.0, b=0.6),
        run_of("other", other, a=3.0),
        run_of("other", other),
        run_of("nothing", {}, a=3.0),
    ]
    found = outcomes(runs)
    assert found == [
        Outcome("one", "a", [1.0, 2.0], {"min": 1.0}),
        Outcome("one", "b", [0.4, 0.6], {"min": 0.0, "max": 0.5}),
        Outcome("other", "a", [3.0, None], {"max": 3.0}),
    ]
    assert [line.kept for line in found] == [True, False, False]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in outcome_table(found).splitlines()[2:]]
    assert cells == [
        ["one", "a", "1, 2", "at least 1.0", "yes"],
        ["one", "b", "0.4, 0.6", "at least 0.0 and at most 0.5", "NO"],
        ["other", "a", "3, -", "at most 3.0", "NO"],
    ]


def test_yaml_has_the_labs_bounds_and_the_values() -> None:
    bounds = {"test/modes": {"min": 10}, "test/ratio": {"min": 0.9, "max": 2.0}}
    found = [
        Outcome("tour_gan", "test/modes", [10.0, 9.0], bounds["test/modes"]),
        Outcome("tour_gan", "test/ratio", [1.26789, 1.0], bounds["test/ratio"]),
    ]
    text = expect_yaml(found, "experiment=glob(tour_*) seed=0,1 trainer.max_epochs=3")
    assert yaml.safe_load(text) == {"expect": bounds}
    lines = text.splitlines()
    assert lines[0] == "# tour_gan.yaml"
    assert lines[1].endswith("# measured: leyden verify experiment=tour_gan seed=0,1 trainer.max_epochs=3")
    assert [line.partition("  # ")[2] for line in lines[2:]] == ["10, 9", "1.268, 1"]
