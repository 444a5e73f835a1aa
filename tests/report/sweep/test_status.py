"""What a terminal and a log show of the jobs of a sweep."""

import sys
from pathlib import Path

import pytest

from leyden.report.sweep.status import Status, last_lines

FIRST, SECOND = Path("sweep/0_a"), Path("sweep/1_a")
JOBS = {FIRST: "seed=0", SECOND: "seed=1"}


def test_terminal_shows_running_jobs(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    with Status(JOBS) as status:
        status.started(FIRST)
        status.show({FIRST: "epoch 2  step 8/9"})
        assert "0_a  seed=0    0 s  epoch 2  step 8/9" in capsys.readouterr().out
        status.ended(FIRST, "done", "best/val/fid 0")
    assert "0_a (seed=0)  best/val/fid 0  0 s  [1 done of 2, about 0 s left]" in capsys.readouterr().out


def test_log_has_a_line_per_change(capsys: pytest.CaptureFixture) -> None:
    with Status(JOBS) as status:
        status.started(FIRST)
        status.ended(FIRST, "failed", "ValueError: this", ["the last line"])
        status.started(SECOND)
        status.ended(SECOND, "interrupted", "")
    shown = capsys.readouterr()
    assert shown.out == "started: sweep/0_a (seed=0)\nstarted: sweep/1_a (seed=1)\n"
    assert shown.err == (
        "failed: sweep/0_a (seed=0): ValueError: this\n  | the last line\ninterrupted: sweep/1_a (seed=1)\n"
    )


def test_last_lines_of_a_huge_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"\xff" * 9000 + b"\none\n\n  \ntwo\nthree\n")
    assert last_lines(log, 2) == ["two", "three"]
    assert last_lines(tmp_path / "none") == []
