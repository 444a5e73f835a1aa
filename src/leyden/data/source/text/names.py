"""Surnames inside the package names: short, regular texts, for language models that learn within a minute."""

import hashlib
from functools import cached_property, lru_cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from leyden.core.splits import by_name
from leyden.data.columns import Texts
from leyden.data.source import Source
from leyden.data.splits import STAGES, InMemory, Stage

FRACTIONS = (0.8, 0.1, 0.1)
"""Of the names: training, validation, test."""


class Names(Source):
    """The most frequent surnames of the United States' census of 1990, in lower case, each a text.

    A hash of the name decides on its split and its place: the census lists names of one frequency backwards by the
    alphabet, so that in its order each would foretell the next one's first letter. No name is there twice.

    Args:
        count: so many of the 88,799, the most frequent ones; null: all.

    Raises:
        ImportError: the package is not installed.
        ValueError: ``count`` is below 30.
    """

    produces: ClassVar[str] = "text"
    name = "names"

    def __init__(self, count: int | None = 30_000) -> None:
        if count is not None and count < 30:
            raise ValueError(f"data.source.count={count}: should be 30 names or more, or null")
        self.count = count

    def prepare(self) -> None:
        """Looks whether the names are there.

        Raises:
            ImportError: the package is not installed.
        """
        if find_spec("names") is None:
            raise ImportError(
                "data/source=names needs the package names (0.8 MB), which has them: pip install 'leyden[text]'"
            )

    def split(self, stage: Stage) -> InMemory[Texts]:
        """Names, in an order that says nothing."""
        return InMemory(Texts(self._splits[stage]))

    @cached_property
    def _splits(self) -> dict[Stage, list[str]]:
        self.prepare()
        names = _surnames(Path(str(files("names") / "dist.all.last")))[: self.count]
        parts = zip(STAGES, by_name(names, FRACTIONS), strict=True)
        return {stage: sorted((names[i] for i in indices), key=_digest) for stage, indices in parts}


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


@lru_cache(1)
def _surnames(file: Path) -> list[str]:
    """The first word of each line; behind it stand frequency, sum of frequencies and rank."""
    return [line.split()[0].lower() for line in file.read_text("ascii").splitlines() if line.strip()]
