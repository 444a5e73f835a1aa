import math

import pytest

from leyden.report.labs.headline import Line, headline


@pytest.mark.parametrize(
    ("content", "metrics", "cells"),
    [
        ({"min": 0.9}, {"m": 0.95}, ["m", "0.95", "at least 0.9", "yes"]),
        ({"min": 0.9}, {"m": 0.85}, ["m", "0.85", "at least 0.9", "NO"]),
        ({"max": 3}, {"m": 3.5}, ["m", "3.5", "at most 3", "NO"]),
        ({"min": 1, "max": 2}, {"m": 1.5}, ["m", "1.5", "at least 1 and at most 2", "yes"]),
        ({"min": 1}, {"m": math.nan}, ["m", "nan", "at least 1", "NO"]),
        ({"min": 1}, {}, ["m", "not measured", "at least 1", "NO"]),
        ({"min": 1}, {"mm": 1.0}, ["m", "no such metric; did you mean mm?", "at least 1", "NO"]),
        ({"above": {"a/n": 1}}, {"m": 3.0, "a/n": 1.5}, ["m", "1.5", "above a/n by at least 1", "yes"]),
        ({"below": {"a/n": 1}}, {"m": 3.0, "a/n": 1.5}, ["m", "-1.5", "below a/n by at least 1", "NO"]),
        ({"below": {"a/n": 1}}, {"m": 3.0}, ["m", "no such metric a/n; there are: m", "below a/n by at least 1", "NO"]),
        ({"above": {"scratch": 1}}, {"m": 3.0}, ["m", "3", "above scratch by at least 1", "?"]),
    ],
)
def test_value_beside_its_bounds(content: dict, metrics: dict, cells: list[str]) -> None:
    assert [line.cells() for line in headline({"expect": {"m": content}}, metrics, "")] == [cells]


EXPECT = {"test/fid": {"max": 3.0}}


def test_lab_may_name_more_than_it_expects() -> None:
    lab = {"expect": EXPECT, "headline": ["test/coverage", "test/fid", "test/nowhere"]}
    lines = headline(lab, {"test/fid": 2.0, "test/coverage": 0.5, "train/loss": 1.0}, "val/fid")
    assert lines == [Line("test/fid", "2", "at most 3.0", True), Line("test/coverage", "0.5")]


def test_nothing_is_expected_of_other_settings() -> None:
    assert headline({"expect": EXPECT}, {"test/fid": 9.0}, "val/fid", own=False) == [Line("test/fid", "9")]


def test_without_a_lab_the_monitor_is_shown() -> None:
    metrics = {"train/loss": 1.0, "val/ap": 0.4, "best/val/ap": 0.5, "test/ap": 0.45, "test/ap50": 0.7}
    lines = [Line("test/ap", "0.45"), Line("best/val/ap", "0.5")]
    assert headline({}, metrics, "val/ap") == lines
    assert headline({"expect": EXPECT}, metrics, "val/ap", own=False) == lines  # another technique's metrics
    assert [line.metric for line in headline({}, metrics, "val/other")] == ["test/ap", "test/ap50"]
