"""What is wrong with data and what becomes of it: gathered by the sources, told by ``leyden check-data``."""

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
        return f"{place}: {self.what}"


def by_kind(issues: Sequence[DataIssue]) -> list[list[DataIssue]]:
    """The issues of each kind and effect together, the gravest first, otherwise as they came."""

    def rank(issue: DataIssue) -> tuple[int, str]:
        return EFFECTS.index(issue.effect), issue.kind

    return [list(group) for _, group in groupby(sorted(issues, key=rank), rank)]
