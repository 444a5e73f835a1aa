"""How far a run is and how long it will take: one bar on a terminal, plain lines in a pipe or in a sweep's job."""

import math
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

LINE_SECONDS = 15.0
"""Where there is no bar: after so long without a validation, a line says that the run is alive."""
MIN_BAR = 8
"""Columns that the bar itself has at least; of the numbers beside it those are left out that have no room."""


class Meter:
    """One bar on a terminal with the newest numbers; where stdout is none, now and then a line.

    Lines begin with ``epoch``: a sweep's table shows the last of them (``leyden.bench.sweep.executor``).

    Args:
        steps: that there will be; None: nobody knows.
        epochs: likewise.
        first: the step from which it goes on.
        name: of what is trained besides the run's own network.
        every_seconds: between two redraws; drawing at every step would cost up to a millisecond each.
    """

    def __init__(
        self, steps: int | None, epochs: int | None, first: int = 0, name: str = "", every_seconds: float = 0.5
    ) -> None:
        self.steps, self.epochs, self.first, self.name = steps, epochs, first, name
        self._began = self._shown = time.monotonic()
        self._paused, self._pause_began = 0.0, math.inf
        self._bar: Bar | None = None
        if sys.stdout.isatty():
            columns = TextColumn("{task.description}"), BarColumn(bar_width=None), TextColumn("{task.fields[rest]}")
            self._bar = Bar(
                *columns, console=Console(), expand=True, auto_refresh=False
            )  # a thread that draws would cost steps
            self._task = self._bar.add_task(name or "training", total=steps, rest="")
            self._bar.start()  # log lines of this process are printed above it
        self._every = LINE_SECONDS if self._bar is None else every_seconds

    @property
    def due(self) -> bool:
        """Whether it is time to show something."""
        return time.monotonic() - self._shown > self._every

    def pause(self) -> None:
        """Until something is shown the next time, no steps are taken: their pace does not count that."""
        self._pause_began = time.monotonic()

    def show(self, epoch: int, step: int, numbers: Sequence[str] = ()) -> None:
        """Draws the bar or prints a line.

        Args:
            epoch: which one it is, from 1 on.
            step: how many are done.
            numbers: such as ``train/loss 0.25``, the most important one first.
        """
        self._shown = time.monotonic()
        self._paused += max(0.0, self._shown - self._pause_began)
        self._pause_began = math.inf
        spent, done = self._shown - self._began, step - self.first
        of_epochs, of_steps = (f"/{total}" if total else "" for total in (self.epochs, self.steps))
        head = f"epoch {epoch}{of_epochs}  step {step}{of_steps}"
        left = clock(spent * (self.steps - step) / done) if self.steps and done else "?"
        pace = _pace(done / max(spent - self._paused, 1e-9))
        if self._bar is None:
            of = [f"of the {self.name}"] if self.name else []
            print("  ".join([head, *of, *numbers, pace, f"{clock(spent)}, {left} left"]), flush=True)
            return
        head, rest = f"{self.name} {head}".strip(), f"{pace}  {left} left"
        for number in numbers:
            if len(head) + MIN_BAR + len(rest) + len(number) + 4 <= self._bar.console.width:
                rest += f"  {number}"
        self._bar.update(self._task, completed=step, description=head, rest=rest, refresh=True)

    def stop(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.update(self._task, visible=False, refresh=True)
            self._bar.stop()
            self._bar = None


def metered(batches: Iterable[Any], name: str, epochs: int, per_epoch: int) -> Iterator[Any]:
    """The same batches, a bar or lines beside them.

    Args:
        batches: of all epochs.
        name: of what is trained with them, such as ``source task``.
        epochs: how often the data are seen.
        per_epoch: batches of each.
    """
    meter = Meter(epochs * per_epoch, epochs, name=name)
    try:
        for step, batch in enumerate(batches):
            if meter.due:
                meter.show(step // per_epoch + 1, step)
            yield batch
    finally:
        meter.stop()


class Progress(Callback):
    """One bar over the whole fit, with the newest numbers; where stdout is no terminal, a line per validation.

    Args:
        every_seconds: between two redraws of the bar.
    """

    def __init__(self, every_seconds: float = 0.5) -> None:
        self.every_seconds = every_seconds
        self._meter: Meter | None = None

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Starts the clock."""
        if trainer.is_global_zero:
            steps, epochs = _totals(trainer)
            self._meter = Meter(steps, epochs, trainer.global_step, every_seconds=self.every_seconds)

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Shows something now and then."""
        if self._meter is not None and self._meter.due:
            self._meter.show(trainer.current_epoch + 1, trainer.global_step, _numbers(trainer, module))

    def on_validation_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Stops the clock of steps."""
        if self._meter is not None:
            self._meter.pause()

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Draws the bar; in a pipe: one line."""
        if self._meter is not None:
            self._meter.show(trainer.current_epoch + 1, trainer.global_step, _numbers(trainer, module))

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Takes the bar away."""
        self._stop()

    def on_exception(self, trainer: Trainer, module: LightningModule, exception: BaseException) -> None:
        """Leaves the terminal as it was."""
        self._stop()

    def _stop(self) -> None:
        if self._meter is not None:
            self._meter.stop()
            self._meter = None


def clock(seconds: float) -> str:
    """``7 s``, ``2:05`` or ``1:02:05``."""
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _pace(rate: float) -> str:
    return f"{rate:.3g} steps/s" if rate >= 1 or rate == 0 else f"{1 / rate:.3g} s/step"


def _totals(trainer: Trainer) -> tuple[int | None, int | None]:
    """Optimizer steps and epochs of the whole fit; None where only time or nothing limits them."""
    steps = trainer.estimated_stepping_batches
    total = int(steps) if math.isfinite(steps) and steps > 0 else None
    limits = [trainer.max_epochs] if trainer.max_epochs not in (None, -1) else []
    if trainer.max_steps != -1 and math.isfinite(trainer.num_training_batches):
        limits.append(math.ceil(trainer.max_steps * trainer.accumulate_grad_batches / trainer.num_training_batches))
    return total, min(limits, default=None)


def _numbers(trainer: Trainer, module: LightningModule) -> list[str]:
    """The training loss and the metric that decides."""
    metrics = trainer.callback_metrics
    return [f"{name} {metrics[name]:.4g}" for name in ("train/loss", str(module.monitor)) if name in metrics]
