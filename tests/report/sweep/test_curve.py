from collections.abc import Callable, Mapping
from typing import Any

import pytest

from leyden.report.runs import Run
from leyden.report.sweep import curve
from leyden.report.sweep.curve import SweepCurve

JOBS = [
    ("head", 10, "a", 0, 0.5),
    ("head", 10, "a", 1, 0.7),
    ("head", 2, "a", 0, 0.4),
    ("head", 2, "a", 1, 0.4),
    ("full", 2, "a", 0, 0.9),
    ("full", 10, "a", 0, None),
]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Mapping[str, Any], dict[str, Any]]]:
    """What the chart was asked to draw: curves and options; it is really drawn, too."""
    calls = []
    draw = curve.draw_curves

    def spy(curves: Mapping[str, Any], *words: str, **options: Any) -> Any:
        calls.append((curves, options))
        return draw(curves, *words, **options)

    monkeypatch.setattr(curve, "draw_curves", spy)
    return calls


def draw(runs: list[Run], x: str = "data.labels_per_class", lines: str = "model.strategy", **options: Any) -> dict:
    return SweepCurve(x, lines, "test/accuracy", title="Title", x_name="labels", **options)(runs)


def test_numbers_stand_on_a_logarithmic_axis_with_bands(sweep: Callable, drawn: list) -> None:
    files = draw(sweep(*JOBS))
    [(curves, options)] = drawn
    assert options == {"log_x": True, "ticks": None}
    positions, means, spread = curves["head"]
    assert positions == [2, 10]
    assert means == pytest.approx([0.4, 0.6])
    assert spread == pytest.approx([0, 0.02**0.5])
    assert curves["full"][1] == pytest.approx([0.9, float("nan")], nan_ok=True)
    assert curves["full"][2] is None  # one seed
    assert files["report.png"].shape == (3, 600, 900)
    assert "![Title](report.png)" in files["report.md"]
    assert "from 5 of 6 runs" in files["report.md"]
    assert files["report.csv"].splitlines()[1].startswith("2,head,0.4,0.0,2,2")


def test_all_is_the_last_category_behind_the_numbers(sweep: Callable, drawn: list) -> None:
    draw(sweep(("head", None, "a", 0, 0.9), *JOBS))
    [(curves, options)] = drawn
    assert options == {"log_x": False, "ticks": ["2", "10", "all"]}
    assert curves["head"][0] == [0, 1, 2]
    assert curves["head"][1][2] == 0.9


def test_zero_has_no_place_on_a_logarithmic_axis(sweep: Callable, drawn: list) -> None:
    draw(sweep(("head", 0, "a", 0, 0.9), *JOBS))
    assert drawn[0][1] == {"log_x": False, "ticks": ["0", "2", "10"]}


def test_categories_keep_the_given_order(sweep: Callable, drawn: list) -> None:
    draw(sweep(*JOBS), x="model.strategy", lines="data.labels_per_class")
    draw(sweep(*JOBS), x="model.strategy", lines="data.labels_per_class", order=["full", "head"])
    assert [options["ticks"] for _, options in drawn] == [["head", "full"], ["full", "head"]]


@pytest.mark.parametrize("jobs", [(), (("head", 2, "a", 0, None),), (("head", 2, "a", 0, float("nan")),)])
def test_nothing_to_draw_leaves_no_image(jobs: tuple, sweep: Callable) -> None:
    files = draw(sweep(*jobs))
    assert set(files) == {"report.md", "report.csv"}
    assert f"from 0 of {len(jobs)} runs" in files["report.md"]


def test_a_single_point_is_drawn(sweep: Callable) -> None:
    assert "report.png" in draw(sweep(JOBS[0]))
