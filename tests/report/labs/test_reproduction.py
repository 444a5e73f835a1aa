import math
from typing import Any

import pytest

from leyden.report.labs.reproduction import compare, overall

EXPECT = {"test/accuracy": {"min": 0.7}, "test/fid": {"min": 1.0, "max": 3.0}}


@pytest.mark.parametrize(
    ("then", "now", "verdict"),
    [
        (0.75, 0.75, "identical"),
        (0.75, 0.7500000000000001, "within"),
        (0.75, 0.69, "different"),
        (0.69, 0.75, "different"),  # what the record claims is not what a sound run reaches
        (math.nan, math.nan, "identical"),
        (0.75, math.nan, "different"),
        (0.75, None, "different"),
        (None, 0.75, "different"),
    ],
)
def test_a_verdict_on_a_bounded_metric(then: float | None, now: float | None, verdict: str) -> None:
    both = [{} if value is None else {"test/accuracy": value} for value in (then, now)]
    assert compare(*both, EXPECT) == {"test/accuracy": verdict}


def test_times_are_not_compared() -> None:
    then = {"train_seconds": 1.0, "test/ms_per_image_network": 2.0, "train/loss": 0.1}
    now = {"train_seconds": 5.0, "test/ms_per_image_network": 1.0, "train/loss": 0.2}
    assert compare(then, now, EXPECT) == {"train/loss": "different"}


@pytest.mark.parametrize(
    ("verdicts", "expect", "whole"),
    [
        ({"a": "identical", "b": "identical"}, {}, "identical"),
        ({"a": "within", "b": "different"}, {"a": {}}, "within"),
        ({"a": "identical", "b": "different"}, {"a": {}}, "within"),
        ({"a": "different", "b": "identical"}, {"a": {}}, "different"),
        ({"a": "identical", "b": "different"}, {}, "different"),
        ({"a": "different", "b": "identical"}, {"c": {}}, "different"),
    ],
)
def test_verdict_on_a_run_goes_by_its_bounds(verdicts: Any, expect: Any, whole: str) -> None:
    assert overall(verdicts, expect) == whole
