"""How far a sweep is: a table that is rewritten on a terminal, else a line for each job that starts or ends."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from leyden.bench.run.lab import lines_about
from leyden.bench.run.record import Record
from leyden.bench.sweep.job import CONSOLE
from leyden.bench.sweep.ranking import own_overrides, result_of

LAST_LINES = 12
"""Of a failed job's log."""
LOGS = ("run.log", CONSOLE)
"""Where a run, and where its process, says why it failed."""


class Status:
    """How far the jobs of a sweep are, for its terminal or its log.

    Args:
        records: of the jobs that are to run.
        every_seconds: between two looks at running jobs.
    """

    def __init__(self, records: Sequence[Record], every_seconds: float = 1.0) -> None:
        self.every_seconds = every_seconds
        self._swept = {r.folder: " ".join(own) for r, own in zip(records, own_overrides(records), strict=True)}
        self._running: dict[Path, float] = {}
        self._at_a_time = 1
        self._ended = {"done": 0}
        self._seconds: list[float] = []
        self._out, self._error = Console(soft_wrap=True), Console(stderr=True, soft_wrap=True)
        self._live = Live(console=self._out, auto_refresh=False, transient=True) if sys.stdout.isatty() else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def started(self, record: Record) -> None:
        """A job has a process."""
        self._running[record.folder] = time.monotonic()
        self._at_a_time = max(self._at_a_time, len(self._running))
        if self._live is None:
            self._print(f"started: {self._name(record)}")
        self.show()

    def ended(self, record: Record, seconds: float) -> None:
        """A job has none any more; of one that is not done, the last lines of its log are shown."""
        self._running.pop(record.folder, None)
        self._seconds.append(seconds)
        status = record.status
        self._ended[status["status"]] = self._ended.get(status["status"], 0) + 1
        if status["status"] == "done":
            _, metric, value, _ = result_of(record)
            self._print(f"done: {self._name(record)}  {metric} {value:.4g}  {seconds:.0f} s  [{self._count()}]")
            for line in lines_about(record):
                if "NOT as expected" in line:
                    self._print(line)
        elif status["status"] == "interrupted":
            self._print(f"interrupted: {self._name(record)}", error=True)
        else:
            self._print(f"failed: {self._name(record)}: {status.get('error', '')}", error=True)
            for line in _last_lines(record.folder / LOGS["exit" in status]):
                self._print(f"  | {line}", error=True)
        self.show()

    def show(self) -> None:
        """Rewrites the table."""
        if self._live is None:
            return
        table = Table("job", "settings", "for", "so far", box=None, header_style="bold", pad_edge=False)
        for folder, began in self._running.items():
            spent = f"{time.monotonic() - began:.0f} s"
            table.add_row(folder.name, Text(self._swept[folder]), spent, Text(_progress(folder)))
        self._live.update(Group(table, Text(self._count())), refresh=True)

    def _name(self, record: Record) -> str:
        swept = self._swept[record.folder]
        return f"{record.folder} ({swept})" if swept else str(record.folder)

    def _count(self) -> str:
        """How many jobs are where, and how long the rest will take if its jobs are like those that have ended."""
        counts = [f"{count} {status}" for status, count in self._ended.items() if count or status == "done"]
        text = f"{', '.join(counts)} of {len(self._swept)}"
        if not 0 < len(self._seconds) < len(self._swept):
            return text
        mean = sum(self._seconds) / len(self._seconds)
        now = time.monotonic()
        rest = sum(max(0.0, mean - (now - began)) for began in self._running.values())
        rest += mean * (len(self._swept) - len(self._seconds) - len(self._running))
        left = rest / self._at_a_time
        return f"{text}, about {left / 60:.0f} min left" if left >= 90 else f"{text}, about {left:.0f} s left"

    def _print(self, text: str, error: bool = False) -> None:
        console = self._error if error and self._live is None else self._out
        console.print(Text(text), highlight=False)


def _last_lines(file: Path, count: int = LAST_LINES, size: int = 8192) -> list[str]:
    """The end of a log, which may be huge, without empty lines."""
    if not file.is_file():
        return []
    with file.open("rb") as log:
        log.seek(max(0, file.stat().st_size - size))
        text = log.read().decode(errors="replace")
    return [line for line in text.splitlines() if line.strip()][-count:]


def _progress(folder: Path) -> str:
    """The last line in which a job said how far it is (``leyden.bench.run.progress``)."""
    lines = [line for line in _last_lines(folder / CONSOLE, 100) if line.startswith("epoch ")]
    return lines[-1] if lines else "starting"
