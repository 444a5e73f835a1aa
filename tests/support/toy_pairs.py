"""Texts with summaries that take no package: what to sum up stands behind "is", in the second of three sentences."""

from collections.abc import Iterator
from pathlib import Path

from leyden.data.source.pairs.pair_source import Pair, PairSource

THINGS = ("tree", "house", "river", "stone", "cloud", "horse", "table", "flower", "window", "garden")
COLOURS = ("red", "blue", "green", "black", "white", "brown")


class ToyPairs(PairSource):
    """``count`` pairs, no two summaries alike."""

    def __init__(self, count: int = 60, name: str = "toy") -> None:
        super().__init__(name)
        self.count = count

    def read(self) -> Iterator[Pair]:
        for number in range(self.count):
            thing, colour = THINGS[number % 10], COLOURS[number // 10 % 6]
            walk = "We go on and on. " * (number % 3)
            text = f"{walk}Look at this {thing}. The {thing} is {colour} number {number}. Now we leave."
            yield Pair(text, f"A {colour} {thing} number {number}.", Path("toy.txt"), number + 1)
