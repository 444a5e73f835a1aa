"""What is wrong with data and what becomes of it: gathered by the sources, told by ``leyden check-data``."""

import logging
import os
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple

Effect = Literal["stops", "left out", "warning", "note"]
"""A run stops at it; it does not train; it trains, but a number will mislead; it trains, and is good to know."""
EFFECTS: tuple[Effect, ...] = ("stops", "left out", "warning", "note")


class DataIssue(NamedTuple):
    """One thing to look at."""

    kind: str
    """What issues are counted by, such as ``no area``."""
    effect: Effect
    file: Path
    """Where it stands."""
    line: int | None
    """In that file, from 1; None where the file has no lines."""
    what: str
    """The thing itself, and the cure where the kind does not say it."""
    image: Path | None = None
    """The one that it is about, if it is about one."""

    def __str__(self) -> str:
        place = str(self.file) if self.line is None else f"{self.file}:{self.line}"
        return printable(f"{place}: {self.what}")


def printable(text: str | Path) -> str:
    """Text that fits into UTF-8 and one line, which names of files from other systems may not do."""
    plain = os.fsencode(text).decode("utf-8", "replace")
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in plain)


def by_kind(issues: Sequence[DataIssue]) -> list[list[DataIssue]]:
    """The issues of each kind and effect together, the gravest first, otherwise as they came."""

    def rank(issue: DataIssue) -> tuple[int, str]:
        return EFFECTS.index(issue.effect), issue.kind

    return [list(group) for _, group in groupby(sorted(issues, key=rank), rank)]


def log_issues(log: logging.Logger, name: str, issues: Sequence[DataIssue]) -> None:
    """A line for each kind, with the first of it; notes are no warnings."""
    for group in by_kind(issues):
        kind, effect = group[0].kind, group[0].effect
        level = logging.INFO if effect == "note" else logging.WARNING
        log.log(level, "%s: %s (%s): %d, first %s", name, kind, effect, len(group), group[0])


class Tally:
    """What a reader passes over or changes, counted by kind: one line of the run's log and of check-data's report.

    Each source has one (``Source.tally``) and fills it where it reads: ``self.tally.add("hidden, not read", path)``.
    It is for what needs no list of places; what a user should look at, one by one, is a ``DataIssue``. The line:
    ``3 x hidden or of another program, not read (train/.DS_Store ...); 1 x 16 bits, scaled to 8 (a.png)``.
    """

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[str, dict[int, int]]] = {}

    def add(self, what: str, place: str | Path, count: int = 1) -> None:
        """Counts ``count`` for a place, once however often it is added, because files are read again and again.

        Args:
            what: the kind: what it is and what became of it, "hidden, not read".
            place: such as the file; the first of a kind is named.
            count: how many the place stands for.
        """
        _, counts = self._kinds.setdefault(what, (str(place), {}))
        counts[hash(str(place))] = count  # one step, so that threads may add, and small, because there may be a million

    def __str__(self) -> str:
        parts = []
        for what, (first, counts) in sorted(self._kinds.items()):
            total = sum(counts.values())
            parts.append(f"{total:,} x {what} ({first}{' ...' if total > 1 else ''})")
        return printable("; ".join(parts))
