"""Where curves and images go: what all loggers of runs have in common, and the record's own files."""

import io
import math
import re
import time
from abc import ABC, abstractmethod
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lightning import Trainer
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from torch import Tensor
from torchvision.transforms.v2.functional import to_pil_image

from leyden.core.files import write_file
from leyden.visualization.animation import animate

HEADER = "step,metric,value\n"
"""Of ``metrics.csv``."""
ANIMATED = "samples"
"""The tag of images that show the same samples at every step, so that together they are an animation."""


PATIENCE = 1.0
"""Seconds for which logged numbers may wait in memory: going to a file each time is felt in short steps."""


class About(NamedTuple):
    """What a run is, for loggers that show many of them side by side."""

    name: str
    """Short: ``gan_dcgan lr=0.001 seed=2``."""
    typed: dict[str, Any]
    """Hyperparameters: what was typed or swept, and the seed."""
    texts: dict[str, str]
    """Markdown by title, such as the lab's question and the config."""
    outputs: Path
    """Where runs leave their records."""


class RunLogger(ABC):
    """What Leyden's own loggers can do besides logging.

    Numbers go to their files once a second, before each checkpoint, and at the end: a killed run that goes on from a
    checkpoint has lost none from before it, and logs the others once more. Those of the checkpoint's own step, which
    Lightning logs only behind the callbacks that write it, are logged ahead.
    """

    trainer: Trainer | None = None
    """Knows the step; set by the run."""
    _flushed = -math.inf
    _ahead: frozenset[str] = frozenset()

    @abstractmethod
    def flush(self) -> None:
        """Writes what was logged to the file."""

    def begin(self, about: About) -> None:  # noqa: B027  # the record has all that in files of its own
        """Takes down what the run is; before anything is logged, also when a run goes on."""

    def end(self, metrics: Mapping[str, float], verdict: str) -> None:  # noqa: B027
        """Takes down how the run ended: its metrics, and what was expected of them (markdown, or empty)."""

    @rank_zero_only
    def save(self) -> None:
        """Flushes now and then; Lightning calls this after every step that logs."""
        if time.monotonic() - self._flushed > PATIENCE:
            self.flush()
            self._flushed = time.monotonic()

    def not_ahead(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Those of ``metrics`` that were not logged ahead; to be asked once whenever Lightning logs."""
        ahead, self._ahead = self._ahead, frozenset()
        return {name: value for name, value in metrics.items() if name not in ahead}

    @abstractmethod
    def rewind(self, step: int) -> None:
        """Drops everything after optimizer step ``step``, from which the run goes on; before anything is logged."""

    def step(self, given: int | None) -> int:
        """Optimizer steps as a person counts them: after the first one it is 1 (Lightning's own x axis begins at 0)."""
        return self.trainer.global_step if self.trainer is not None else given or 0


def log_ahead(loggers: Iterable[Logger], metrics: Mapping[str, Any]) -> None:
    """Logs now what Lightning will log next, so that it is in the files before a checkpoint of the same step is.

    Args:
        loggers: of the trainer; only Leyden's own.
        metrics: numbers or tensors ().
    """
    numbers = {name: float(value) for name, value in metrics.items()}
    for logger in loggers if numbers else ():
        if isinstance(logger, RunLogger) and isinstance(logger, Logger):
            logger.log_metrics(numbers)
            logger._ahead = frozenset(numbers)


class Files(RunLogger, Logger):
    """``metrics.csv`` with a row (step, metric, value) per logged number, ``images/<tag>_<step>.png`` and ``files``.

    The images tagged ``samples``, of the same noise over time, also become ``training.gif``.
    """

    def __init__(self, save_dir: str) -> None:
        super().__init__()
        self._folder = Path(save_dir)
        self._curves = self._folder / "metrics.csv"
        self._images = self._folder / "images"
        self._animated: list[Path] = []
        self._rows: list[str] = []

    name, version = "files", ""  # Lightning requires them; no file has them

    def rewind(self, step: int) -> None:
        """Drops rows and images after ``step``, rows of a test, which comes again, and a row that a kill cut short."""
        if self._curves.is_file():
            rows = self._curves.read_text().splitlines(keepends=True)[1:]
            whole = (row for row in rows if row.endswith("\n") and ",test/" not in row)
            kept = [row for row in whole if int(row.split(",")[0]) <= step]
            write_file(self._curves, "".join([HEADER, *kept]))
        for number, file in self._steps(".+?"):
            if number > step:
                file.unlink()

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Appends one row per metric."""
        number = self.step(step)
        self._rows += [
            f"{number},{name},{value:.9g}\n" for name, value in self.not_ahead(metrics).items() if name != "epoch"
        ]

    @rank_zero_only
    def flush(self) -> None:
        """Writes the rows to the file."""
        rows, self._rows = self._rows, []
        if rows:
            with self._curves.open("a") as file:
                file.writelines([HEADER, *rows] if file.tell() == 0 else rows)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """They stand in ``config.yaml`` already."""

    @rank_zero_only
    def log_image(self, key: str, images: Sequence[Tensor], step: int | None = None) -> None:
        """Writes uint8 images (3, H, W) as PNG."""
        self._images.mkdir(exist_ok=True)
        for number, image in enumerate(images):
            suffix = f"_{number}" if len(images) > 1 else ""
            content = io.BytesIO()
            to_pil_image(image.cpu()).save(content, "png")
            write_file(self._images / f"{key.replace('/', '_')}_{step:06d}{suffix}.png", content.getvalue())

    @rank_zero_only
    def log_file(self, key: str, extension: str, content: bytes, step: int | None = None) -> None:
        """Writes a file into ``files``, whatever it holds; one of an earlier step is replaced."""
        (self._folder / "files").mkdir(exist_ok=True)
        write_file(self._folder / "files" / f"{key.replace('/', '_')}.{extension}", content)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Makes the animation, also of images from before a kill; Lightning calls this after training and testing."""
        self.flush()
        files = [file for _, file in self._steps(ANIMATED)]
        if len(files) > 1 and files != self._animated:
            write_file(self._folder / "training.gif", animate(files))
            self._animated = files

    def _steps(self, tag: str) -> list[tuple[int, Path]]:
        """Images whose tag matches the pattern, each behind its step, in order."""
        named = re.compile(rf"{tag}_(\d{{6,}})(_\d+)?\.png")
        matches = [(named.fullmatch(file.name), file) for file in self._images.glob("*.png")]
        return sorted((int(match[1]), file) for match, file in matches if match)
