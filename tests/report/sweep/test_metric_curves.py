"""Several metrics of the same runs against one key."""

from collections.abc import Callable
from typing import Any

import pytest

from leyden.report.runs import Run
from leyden.report.sweep import metric_curves
from leyden.report.sweep.metric_curves import MetricCurves

JOBS = [("head", 10, "a", 0, 0.5), ("head", 10, "a", 1, 0.7), ("head", 2, "a", 0, 0.4), ("head", None, "a", 0, 0.9)]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """What the chart was asked to draw; it is really drawn, too."""
    calls: list[tuple[Any, Any]] = []
    draw = metric_curves.draw_curves

    def spy(curves: Any, *words: str, **options: Any) -> Any:
        calls.append((curves, options))
        return draw(curves, *words, **options)

    monkeypatch.setattr(metric_curves, "draw_curves", spy)
    return calls


def draw(runs: list[Run]) -> dict[str, Any]:
    for run in runs:
        if "test/accuracy" in run["metrics"]:
            run["metrics"]["test/pixels"] = run["metrics"]["test/accuracy"] - 0.1
    lines = {"test/accuracy": "codes", "test/pixels": "pixels"}
    return MetricCurves("data.labels_per_class", lines, "Title", "labels", "accuracy")(runs)


def test_a_line_per_metric(sweep: Callable, drawn: list) -> None:
    files = draw(sweep(*JOBS[:3]))
    [(curves, options)] = drawn
    assert options == {"log_x": True, "ticks": None}
    assert curves["codes"][0] == [2, 10]
    assert curves["codes"][1] == pytest.approx([0.4, 0.6])
    assert curves["pixels"][1] == pytest.approx([0.3, 0.5])
    assert curves["codes"][2][1] == pytest.approx(0.02**0.5)
    assert "![Title](report.png)" in files["report.md"]
    assert files["report.png"].shape == (3, 600, 900)


def test_all_stands_last(sweep: Callable, drawn: list) -> None:
    draw(sweep(*JOBS))
    [(curves, options)] = drawn
    assert options == {"log_x": False, "ticks": ["2", "10", "all"]}
    assert curves["codes"][1] == pytest.approx([0.4, 0.6, 0.9])


def test_nothing_measured_is_not_drawn(sweep: Callable, drawn: list) -> None:
    assert "report.png" not in draw(sweep(("head", 2, "a", 0, None)))
    assert drawn == []
