"""The ranking of a sweep: what it shows, how it marks the best, and how it shortens."""

import math
from pathlib import Path
from typing import Any

import pytest

from leyden.report.sweep.ranking import Entry, ranked, shown, write_ranking


def entry(job: str, value: float, metric: str = "best/val/ap", mode: str = "max", **settings: Any) -> Entry:
    return Entry(job, settings, metric, value, mode)


def test_only_settings_that_differ_are_columns(tmp_path: Path) -> None:
    entries = [entry("0_a", 0.5, seed=0, lr=0.1), entry("1_a", 0.75, seed=1, lr=0.1), entry("2_a", math.nan, lr=3)]
    text = write_ranking(tmp_path, ranked(entries))
    assert text.splitlines() == [
        "| rank | job | seed | best/val/ap |",
        "|------|-----|------|-------------|",
        "| 1    | 1_a | 1    | **0.75**    |",
        "| 2    | 0_a | 0    | 0.5         |",
    ]
    assert (tmp_path / "ranking.csv").read_text() == (
        "rank,job,seed,metric,value\n1,1_a,1,best/val/ap,0.75\n2,0_a,0,best/val/ap,0.5\n"
    )


def test_a_single_job_has_no_columns_and_no_mark(tmp_path: Path) -> None:
    text = write_ranking(tmp_path, [entry("0_a", 0.123456, seed=0, name="x" * 90)])
    assert text.splitlines()[::2] == ["| rank | job | best/val/ap |", "| 1    | 0_a | 0.1235      |"]


def test_each_metric_has_its_best(tmp_path: Path) -> None:
    entries = [entry("0_a", 3.0, "best/val/fid", "min"), entry("1_b", 0.5), entry("2_a", 2.0, "best/val/fid", "min")]
    text = write_ranking(tmp_path, ranked(entries))
    assert [line.split()[1::2] for line in text.splitlines()[2:]] == [
        ["1", "2_a", "best/val/fid", "**2**"],
        ["2", "0_a", "best/val/fid", "3"],
        ["1", "1_b", "best/val/ap", "**0.5**"],
    ]


def test_terminal_shows_the_first_ten(tmp_path: Path) -> None:
    text = write_ranking(tmp_path, ranked([entry(f"{n}_a", n / 20, seed=n) for n in range(12)]))
    assert len(text.splitlines()) == 13
    assert text.endswith(f"... and 2 more in {tmp_path / 'ranking.md'}")
    assert len((tmp_path / "ranking.md").read_text().splitlines()) == 14


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.00123456789, "0.001235"), (None, "null"), (True, "true"), (3, "3"), ([1, 2], "[1, 2]"), ("a" * 40, "a" * 40)],
)
def test_settings_as_text(value: Any, expected: str) -> None:
    assert shown(value) == expected


def test_long_settings_keep_both_ends() -> None:
    text = shown("/home/somebody/very/long/folder/of/photographs/taken/in/2024")
    assert len(text) == 40
    assert text.startswith("/home/somebody")
    assert text.endswith("taken/in/2024")
