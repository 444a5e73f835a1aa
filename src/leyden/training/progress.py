"""How far a run is and how long it will take: one bar on a terminal, plain lines in a pipe or in a sweep's job."""

import math
import sys
import time
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

LINE_SECONDS = 15.0
"""Where there is no bar: after so long without a validation, a line says that the run is alive."""


class Progress(Callback):
    """One bar over the whole fit, with the newest numbers; where stdout is no terminal, a line per validation.

    A sweep's table shows the last of these lines (``leyden.bench.sweep.status``).

    Args:
        every_seconds: between two redraws; drawing at every step would cost up to a millisecond each.
    """

    def __init__(self, every_seconds: float = 0.5) -> None:
        self.every_seconds = every_seconds
        self._bar: Bar | None = None
        self._task = TaskID(0)
        self._began_at = self._drawn_at = 0.0
        self._first_step = 0

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Starts the clock."""
        self._began_at = self._drawn_at = time.monotonic()
        self._first_step = trainer.global_step
        if trainer.is_global_zero and sys.stdout.isatty():
            columns = (BarColumn(bar_width=16), TimeRemainingColumn(compact=True), TextColumn("left"))
            text = (TextColumn("{task.description}"), TextColumn("{task.fields[numbers]}"))
            self._bar = Bar(text[0], *columns, text[1], auto_refresh=False)  # a thread that draws would cost steps
            self._bar.start()
            self._task = self._bar.add_task("training", total=_total(trainer), numbers="")

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Redraws the bar, now and then."""
        if self._bar is None:
            if time.monotonic() - self._drawn_at > LINE_SECONDS and trainer.is_global_zero:
                self._line(trainer, module)
        elif time.monotonic() - self._drawn_at > self.every_seconds:
            self._drawn_at = time.monotonic()
            step, numbers = trainer.global_step, _numbers(trainer, module)
            self._bar.update(self._task, completed=step, description=f"step {step}", numbers=numbers, refresh=True)

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        """In a pipe: one line."""
        if self._bar is None and trainer.is_global_zero and trainer.state.fn == "fit":
            self._line(trainer, module)

    def _line(self, trainer: Trainer, module: LightningModule) -> None:
        self._drawn_at = time.monotonic()
        done, total = trainer.global_step, _total(trainer)
        spent = time.monotonic() - self._began_at
        left = "" if total is None else f", {spent * (total - done) / max(done - self._first_step, 1):.0f} s left"
        of = "" if total is None else f"/{total}"
        epoch = f"epoch {trainer.current_epoch + 1}"
        print(f"{epoch}  step {done}{of}  {_numbers(trainer, module)}  {spent:.0f} s{left}", flush=True)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Takes the bar away."""
        self._stop()

    def on_exception(self, trainer: Trainer, module: LightningModule, exception: BaseException) -> None:
        """Leaves the terminal as it was."""
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _total(trainer: Trainer) -> int | None:
    """Optimizer steps of the whole fit; None if it is limited by time alone."""
    total = trainer.estimated_stepping_batches
    return int(total) if math.isfinite(total) and total > 0 else None


def _numbers(trainer: Trainer, module: LightningModule) -> str:
    """The training loss and the metric that decides."""
    metrics = trainer.callback_metrics
    return "  ".join(f"{name} {metrics[name]:.4g}" for name in ("train/loss", str(module.monitor)) if name in metrics)
