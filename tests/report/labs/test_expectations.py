from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from leyden.report.labs.expectations import (
    Expectation,
    Outcome,
    bounds_only,
    expect_yaml,
    expectations,
    mistakes,
    outcome_table,
    outcomes,
)
from leyden.report.runs import Run


def run_of(lab: str, expect: Mapping[str, Any], **metrics: float) -> Run:
    return Run(config={"lab": {"name": lab, "expect": expect}}, metrics=metrics, folder=Path())


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]


def test_each_metric_of_each_lab_over_all_seeds() -> None:
    one, other = {"a": {"min": 1.0}, "b": {"min": 0.0, "max": 0.5}}, {"a": {"max": 3.0}}
    runs = [
        run_of("one", one, a=1.0, b=0.4),
        run_of("one", one, a=2.0, b=0.6),
        run_of("other", other, a=3.0),
        run_of("other", other),
        run_of("nothing", {}, a=3.0),
    ]
    found = outcomes([(run, {}) for run in runs])
    assert found == [
        Outcome("one", Expectation("a", {"min": 1.0}), [1.0, 2.0]),
        Outcome("one", Expectation("b", {"min": 0.0, "max": 0.5}), [0.4, 0.6]),
        Outcome("other", Expectation("a", {"max": 3.0}), [3.0, None]),
    ]
    assert [line.kept for line in found] == [True, False, False]
    assert cells(outcome_table(found)) == [
        ["one", "a", "1, 2", "at least 1.0", "yes"],
        ["one", "b", "0.4, 0.6", "at least 0.0 and at most 0.5", "NO"],
        ["other", "a", "3, -", "at most 3.0", "NO"],
    ]


@pytest.mark.parametrize(
    ("way", "controls", "shown", "kept"),
    [
        ("above", [0.5, 0.9], "0.3, 0 (mean 0.15)", "yes"),  # the mean holds, not each seed
        ("above", [0.7, 0.9], "0.1, 0 (mean 0.05)", "NO"),
        ("below", [1.0, 1.0], "0.2, 0.1 (mean 0.15)", "yes"),
        ("above", [0.5, None], "0.3, -", "NO"),
        ("above", [0.5, float("nan")], "0.3, nan (mean nan)", "NO"),
    ],
)
def test_difference_is_the_mean_over_the_seeds(way: str, controls: list, shown: str, kept: str) -> None:
    expect = {"a": {way: {"scratch": 0.1}}}
    runs = []
    for value, control in zip([0.8, 0.9], controls, strict=True):
        held = {} if control is None else {"scratch": run_of("one", expect, a=control)}
        runs.append((run_of("one", expect, a=value), held))
    [line] = cells(outcome_table(outcomes(runs)))
    assert line == ["one", "a", shown, f"{way} scratch by at least 0.1", kept]


def test_only_variants_need_a_control() -> None:
    lines = expectations({"a": {"min": 1, "above": {"scratch": 1, "test/b": 2}, "below": {"best": 0}}, "b": {"max": 1}})
    assert [line.control for line in lines] == [None, "scratch", None, "best", None]
    assert bounds_only({"a": {"min": 1, "above": {"scratch": 1}}, "b": {"above": {"scratch": 1}}}) == {"a": {"min": 1}}
    assert expectations(None) == []


@pytest.mark.parametrize(
    ("expect", "key", "what"),
    [
        (["test/a"], "lab.expect", "should be metric"),
        ({"test/a": 0.5}, "lab.expect.test/a", "should be {min"),
        ({"test/a": {}}, "lab.expect.test/a", "should be {min"),
        ({"accuracy": {"min": 0}}, "lab.expect.accuracy", "no name of a metric: those begin with test/"),
        ({"test/a": {"mim": 0}}, "lab.expect.test/a.mim", "unknown key; did you mean min?"),
        ({"test/a": {"min": "much"}}, "lab.expect.test/a.min", "should be a number, is 'much'"),
        ({"test/a": {"max": True}}, "lab.expect.test/a.max", "should be a number, is True"),
        ({"test/a": {"min": float("nan")}}, "lab.expect.test/a.min", "should be a number, is nan"),
        ({"test/a": {"above": 0.1}}, "lab.expect.test/a.above", "should be {VARIANT: margin}, is 0.1"),
        (
            {"test/a": {"above": {"scrach": 0.1}}},
            "lab.expect.test/a.above.scrach",
            "no such variant; did you mean scratch?",
        ),
        ({"test/a": {"below": {"scratch": -0.1}}}, "lab.expect.test/a.below.scratch", "should be a number from 0 on"),
    ],
)
def test_mistake_names_key_and_cure(expect: Any, key: str, what: str) -> None:
    [(found, sentence)] = mistakes(expect, ["scratch"])
    assert found == key
    assert sentence.startswith(what)


def test_sound_expectations_have_no_mistakes() -> None:
    sound = {"test/a": {"min": -1, "max": 2.5, "above": {"scratch": 0.1, "test/b": 0}}}
    assert [*mistakes(sound, ["scratch"]), *mistakes({}, []), *mistakes(None, [])] == []


def test_yaml_has_the_labs_bounds_and_the_values() -> None:
    expect = {"test/modes": {"min": 10}, "test/ratio": {"min": 0.9, "max": 2.0, "below": {"no norm": 0.5}}}
    control = run_of("tour_gan", expect, **{"test/ratio": 2.0})
    runs = [
        run_of("tour_gan", expect, **{"test/modes": 10.0, "test/ratio": 1.26789}),
        run_of("tour_gan", expect, **{"test/modes": 9.0, "test/ratio": 1.0}),
    ]
    found = outcomes([(run, {"no norm": control}) for run in runs])
    text = expect_yaml(found, ["experiment=glob(tour_*)", "seed=0,1", "trainer.max_epochs=3"])
    assert yaml.safe_load(text) == {"expect": expect}
    lines = text.splitlines()
    assert lines[0] == "# tour_gan.yaml"
    assert lines[1].endswith("# measured: leyden verify experiment=tour_gan seed=0,1 trainer.max_epochs=3")
    assert [line.partition("# ")[2] for line in lines[2:]] == ["10, 9", "1.268, 1; below no norm: 0.7321, 1"]
