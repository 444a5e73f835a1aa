"""Texts that take no package: two classes told apart by one word each, of lengths from 2 to 20 words."""

from collections.abc import Iterator
from pathlib import Path

from leyden.data.source.text.text_source import Text, TextSource

FILLERS = ("the", "film", "plot", "of", "a", "scene", "actor", "long", "short", "and", "camera", "light")


class ToyTexts(TextSource):
    """``count`` texts, no two alike."""

    def __init__(self, count: int = 120, name: str = "toy") -> None:
        super().__init__(name)
        self.count = count

    def read(self) -> Iterator[Text]:
        for number in range(self.count):
            label = ("bad", "good")[number % 2]
            words = [FILLERS[(number // 12**place) % 12] for place in range(2)] + ["the"] * (number % 17)
            yield Text(" ".join([*words, label, f"n{number}"]), label, Path("toy.txt"), number + 1)
