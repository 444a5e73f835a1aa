import logging
import sys
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from leyden.training.logs import setup_logging
from leyden.training.progress import Meter, Progress, clock, metered


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True

    def frames(self) -> list[str]:
        """What was drawn, a line each, without the control sequences between them."""
        plain = self.getvalue().replace("\x1b", "\r").replace("\n", "\r")
        return [part.removeprefix("[2K") for part in plain.split("\r") if "epoch" in part]


def terminal_in_place(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Makes stdout and stderr a terminal without colours; to be called by the test itself, as pytest puts its own."""
    place = Terminal()
    monkeypatch.setattr(sys, "stdout", place)
    monkeypatch.setattr(sys, "stderr", place)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    return place


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock, which stands still until it is set."""
    now = [100.0]
    monkeypatch.setattr("leyden.training.progress.time.monotonic", lambda: now[0])
    return now


NUMBERS = ["train/loss 0.1234", "val/accuracy 0.9876"]


@pytest.mark.parametrize(("width", "shown"), [(80, 0), (100, 1), (120, 2)])
def test_bar_fits_from_80_columns_on(
    width: int, shown: int, seconds: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = terminal_in_place(monkeypatch)
    monkeypatch.setenv("COLUMNS", str(width))
    meter = Meter(30_000, 300)
    seconds[0] += 50
    meter.show(100, 10_000, NUMBERS)
    meter.stop()
    [frame] = [line for line in terminal.frames() if "steps/s" in line]
    assert frame.startswith("epoch 100/300  step 10000/30000 ━")
    assert " 200 steps/s  1:40 left" in frame
    assert [number in frame for number in NUMBERS] == [True] * shown + [False] * (2 - shown)
    assert len(frame.rstrip()) <= width


def test_log_lines_come_above_the_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_in_place(monkeypatch)
    setup_logging(tmp_path / "run.log")
    meter = Meter(10, 1)
    meter.show(1, 5)
    logging.getLogger("leyden.some").info("a line")
    meter.show(1, 6)
    meter.stop()
    setup_logging(None)
    lines = [line.rstrip() for line in terminal.getvalue().splitlines()]
    assert any(line.endswith("a line") and "epoch" not in line for line in lines)


def test_pipe_gets_few_lines(seconds: list[float], capsys: pytest.CaptureFixture) -> None:
    list(metered(ticking(range(40), seconds), "source task", epochs=2, per_epoch=20))
    assert capsys.readouterr().out.splitlines() == [
        "epoch 1/2  step 16/40  of the source task  1 steps/s  16 s, 24 s left",
        "epoch 2/2  step 32/40  of the source task  1 steps/s  32 s, 8 s left",
    ]


def ticking(values: Any, seconds: list[float]) -> Any:
    for value in values:
        yield value
        seconds[0] += 1


def test_pace_is_of_steps_and_time_left_of_all(seconds: list[float], capsys: pytest.CaptureFixture) -> None:
    trainer: Any = SimpleNamespace(
        is_global_zero=True, estimated_stepping_batches=20, max_epochs=4, max_steps=-1, global_step=0, current_epoch=0,
        callback_metrics={"val/fid": 3.0, "train/loss": 0.5},
    )  # fmt: skip
    module: Any = SimpleNamespace(monitor="val/fid")
    progress = Progress()
    progress.on_train_start(trainer, module)
    seconds[0], trainer.global_step = 105.0, 10
    progress.on_train_batch_end(trainer, module, None, None, 9)
    progress.on_validation_start(trainer, module)
    seconds[0] += 30
    progress.on_validation_end(trainer, module)
    progress.on_train_end(trainer, module)
    assert capsys.readouterr().out == ("epoch 1/4  step 10/20  train/loss 0.5  val/fid 3  2 steps/s  35 s, 35 s left\n")


@pytest.mark.parametrize(
    ("seconds", "text"), [(6.6, "7 s"), (59.4, "59 s"), (59.7, "1:00"), (125, "2:05"), (3725, "1:02:05")]
)
def test_clock_is_short(seconds: float, text: str) -> None:
    assert clock(seconds) == text
