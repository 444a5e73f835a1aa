from collections.abc import Callable, Mapping
from typing import Any

import pytest

from leyden.report.runs import Run
from leyden.report.sweep import trade_off
from leyden.report.sweep.trade_off import TradeOff

JOBS = [("fast", 1, "a", 0, 0.5), ("fast", 1, "a", 1, 0.7), ("slow", 1, "a", 0, 0.9), ("slow", 1, "a", 1, None)]
COSTS = {"test/ms": "ms per image", "train_seconds": "s of training"}


@pytest.fixture
def runs(sweep: Callable) -> list[Run]:
    made = sweep(*JOBS)
    for run, ms, seconds in zip(made, (1.0, 3.0, 20.0, 20.0), (50.0, 60.0, 0.0, 70.0), strict=True):
        run["metrics"] = run["metrics"] and {**run["metrics"], "test/ms": ms, "train_seconds": seconds}
    return made


def test_points_are_runs_with_both_metrics(runs: list[Run], monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Mapping[str, Any]] = []
    draw = trade_off.draw_trade_offs

    def spy(panels: Mapping[str, Any], *words: str) -> Any:
        drawn.append(panels)
        return draw(panels, *words)

    monkeypatch.setattr(trade_off, "draw_trade_offs", spy)
    files = TradeOff("model.strategy", "test/accuracy", COSTS, "Which is worth it?")(runs)
    # The failed run has no score, and a cost of 0 has no place on a logarithmic axis.
    assert drawn == [
        {
            "ms per image": {"fast": ([1.0, 3.0], [0.5, 0.7]), "slow": ([20.0], [0.9])},
            "s of training": {"fast": ([50.0, 60.0], [0.5, 0.7])},
        }
    ]
    assert files["report.png"].shape == (3, 600, 900)
    assert "![Which is worth it?](report.png)" in files["report.md"]
    table = [line.split() for line in files["report.md"].splitlines() if line.startswith("| ")]
    assert table[0][1::2] == ["strategy", "accuracy", "ms", "train_seconds"]
    assert table[-1][1:4:2] == ["slow", "**0.900"]
    assert "fast,test/ms,2.0," in files["report.csv"]


def test_without_points_only_a_table(sweep: Callable) -> None:
    files = TradeOff("model.strategy", "test/accuracy", COSTS, "Which?")(sweep(*JOBS))
    assert set(files) == {"report.md", "report.csv"}
