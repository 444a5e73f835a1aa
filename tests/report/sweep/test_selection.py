"""What was selected on the test split is marked in every table."""

from pathlib import Path

import pytest

from leyden.report.compare import Comparison
from leyden.report.runs import Run
from leyden.report.sweep.files import write_report
from leyden.report.sweep.selection import MARK, note, of_test


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("test/accuracy", True),
        ("best/test/ap", True),
        ("test_acc", True),
        ("Test/acc", True),
        ("val/accuracy", False),
        ("best/val/latest", False),
        ("contest/score", False),
        ("", False),
    ],
)
def test_metrics_of_the_test_split(metric: str, expected: bool) -> None:
    assert of_test(metric) == expected
    assert (MARK in note([metric, "val/loss"])) == expected


def test_comparison_of_selected_runs_says_so() -> None:
    def runs(metric: str | None) -> list[Run]:
        config = {"lab": {"name": "a"}, "sweep": {"metric": metric}}
        return [
            Run(config={**config, "seed": 0, "lr": lr}, metrics={"test/accuracy": lr}, folder=Path(str(lr)))
            for lr in (0.1, 0.2)
        ]

    assert MARK in Comparison(runs("test/accuracy")).markdown()
    assert MARK not in Comparison(runs("val/accuracy")).markdown()
    assert MARK not in Comparison(runs(None)).markdown()


def test_report_of_selected_runs_says_so(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write_report(tmp_path, {"report.md": "# Lab\n", "report.csv": "a,b\n"}, note(["test/fid"]))
    assert MARK in (tmp_path / "report.md").read_text()
    assert MARK in capsys.readouterr().out
    assert (tmp_path / "report.csv").read_text() == "a,b\n"
    write_report(tmp_path, {"report.md": "# Lab\n"}, note(["val/fid"]))
    assert (tmp_path / "report.md").read_text() == "# Lab\n"
