"""How far a sweep is: a table that is rewritten on a terminal, else a line for each job that starts or ends."""

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text


class Status:
    """The jobs of a sweep on its terminal, or in its log.

    Args:
        jobs: the folder of each job that is to run -> what tells it apart, such as ``seed=0``, or nothing.
        every_seconds: between two looks at running jobs.
    """

    def __init__(self, jobs: Mapping[Path, str], every_seconds: float = 1.0) -> None:
        self.every_seconds = every_seconds
        self._jobs = jobs
        self._running: dict[Path, float] = {}
        self._at_a_time = 1
        self._ended = Counter(done=0)
        self._seconds: list[float] = []
        self._out, self._error = Console(soft_wrap=True), Console(stderr=True, soft_wrap=True)
        self._live = Live(console=self._out, auto_refresh=False, transient=True) if sys.stdout.isatty() else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._live:
            self._live.stop()

    def started(self, folder: Path) -> None:
        """A job runs."""
        self._running[folder] = time.monotonic()
        self._at_a_time = max(self._at_a_time, len(self._running))
        if self._live is None:
            self._print(f"started: {self._name(folder)}")

    def ended(self, folder: Path, status: str, what: str, lines: Sequence[str] = ()) -> None:
        """A job runs no more.

        Args:
            folder: of the job.
            status: how it ended: done, failed or interrupted.
            what: it reached, or why it failed.
            lines: shown below: of its log where it failed, else what a reader should not miss.
        """
        seconds = time.monotonic() - self._running.pop(folder, time.monotonic())
        self._seconds.append(seconds)
        self._ended[status] += 1
        done = status == "done"
        text = f"{status}: {self._name(folder)}"
        if done:
            self._print("  ".join([text, *([what] if what else []), f"{seconds:.0f} s", f"[{self._count()}]"]))
        else:
            self._print(f"{text}: {what}" if what else text, error=True)
        for line in lines:
            self._print(f"  {line}" if done else f"  | {line}", error=not done)

    def show(self, progress: Mapping[Path, str]) -> None:
        """Rewrites the table.

        Args:
            progress: how far each running job is.
        """
        if self._live is None:
            return
        table = Table("job", "settings", "for", "so far", box=None, header_style="bold", pad_edge=False)
        for folder, began in self._running.items():
            spent = f"{time.monotonic() - began:.0f} s"
            table.add_row(folder.name, Text(self._jobs[folder]), spent, Text(progress[folder]))
        self._live.update(Group(table, Text(self._count())), refresh=True)

    def _name(self, folder: Path) -> str:
        return f"{folder} ({self._jobs[folder]})" if self._jobs[folder] else str(folder)

    def _count(self) -> str:
        """How many jobs are where, and how long the rest will take if its jobs are like those that have ended."""
        counts = [f"{count} {status}" for status, count in self._ended.items() if count or status == "done"]
        text = f"{', '.join(counts)} of {len(self._jobs)}"
        if not 0 < len(self._seconds) < len(self._jobs):
            return text
        mean = sum(self._seconds) / len(self._seconds)
        now = time.monotonic()
        rest = sum(max(0.0, mean - (now - began)) for began in self._running.values())
        rest += mean * (len(self._jobs) - len(self._seconds) - len(self._running))
        left = rest / self._at_a_time
        return f"{text}, about {left / 60:.0f} min left" if left >= 90 else f"{text}, about {left:.0f} s left"

    def _print(self, text: str, error: bool = False) -> None:
        console = self._error if error and self._live is None else self._out
        console.print(Text(text), highlight=False)


def last_lines(file: Path, count: int = 12, size: int = 8192) -> list[str]:
    """The end of a log, which may be huge, without empty lines."""
    if not file.is_file():
        return []
    with file.open("rb") as log:
        log.seek(max(0, file.stat().st_size - size))
        text = log.read().decode(errors="replace")
    return [line for line in text.splitlines() if line.strip()][-count:]
