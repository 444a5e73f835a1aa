"""Ranking and search go by validation; by the test split only where a word asks for it."""

import pytest

from leyden.bench.config.compose import compose
from leyden.bench.config.validate import check


def test_metric_of_the_test_split_needs_a_word() -> None:
    [mistake] = check(compose(["sweep.metric=test/accuracy", "sweep.mode=max"]))
    assert mistake.startswith("sweep.metric (command line): test/accuracy is measured on the test split")
    for cure in ("val/accuracy", "leave it out", "sweep.select_on_test=true"):
        assert cure in mistake
    assert check(compose(["sweep.metric=test/accuracy", "sweep.mode=max", "sweep.select_on_test=true"])) == []
    assert check(compose(["sweep.metric=val/accuracy", "sweep.mode=max"])) == []


@pytest.mark.parametrize(
    ("override", "why"),
    [
        ("sweep.metric=val/loss", "sweep.mode: should say whether max or min of val/loss is best"),
        ("sweep.mode=maximum", "sweep.mode (command line): should be"),
        ("sweep.fail_fast=maybe", "sweep.fail_fast (command line): should be bool, is 'maybe'"),
        ("report=5", "report (command line): should be"),
        ("sweep.metric=[val/a,val/b]", "sweep.metric (command line): should be"),
    ],
)
def test_settings_of_a_sweep_without_sense(override: str, why: str) -> None:
    [mistake] = check(compose([override]))
    assert mistake.startswith(why)
