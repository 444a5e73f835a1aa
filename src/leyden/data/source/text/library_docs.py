"""What one sentence of documentation is about: first lines of docstrings, whose class is the package."""

from collections.abc import Iterator, Sequence
from hashlib import sha256

from leyden.data.source.pairs.docstrings import Docstrings
from leyden.data.source.text.text_source import FRACTIONS, Text, TextSource
from leyden.data.splits import STAGES, Stage


class LibraryDocs(TextSource):
    """First paragraphs of the docstrings of installed packages; nothing is imported.

    Those are taken that ``Docstrings`` takes as summaries. A hash of the file's name decides on the split, so none has
    sentences of one file with another's; within a split they stand in the order of the files.

    Args:
        packages: classes, by the names that they are imported by.
        per_package: so many sentences of each, always the same; null: all, which differ in number.
        words: fewest and most words of a sentence.
        cache: a folder in which the sentences are kept for later runs; null reads the packages each time.

    Raises:
        ValueError: fewer than two packages, or a number is out of range.
        ImportError: a package is not installed; all that are missing are named.
    """

    def __init__(
        self,
        packages: Sequence[str] = ("torch", "networkx"),
        per_package: int | None = 750,
        words: Sequence[int] = (4, 25),
        cache: str | None = None,
    ) -> None:
        super().__init__("library docs")
        if len(set(packages)) < 2 or (per_package is not None and per_package < 10):
            raise ValueError(
                f"data.source.packages={list(packages)}, per_package={per_package}: two packages or more, and ten "
                "sentences of each"
            )
        self.packages, self.per_package = list(packages), per_package
        self.docstrings = [Docstrings([package], [], [], summary_words=words, cache=cache) for package in packages]

    def read(self) -> Iterator[Text]:
        """Sentences, package by package, file by file."""
        for package, docstrings in zip(self.packages, self.docstrings, strict=True):
            texts = [
                Text(pair.summary, package, pair.file, pair.line, _stage("/".join(pair.file.parts[-3:])))
                for pair in docstrings.read()
            ]
            kept = sorted(range(len(texts)), key=lambda i: _digest(texts[i].text))[: self.per_package]
            yield from (texts[i] for i in sorted(kept))


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _stage(name: str) -> Stage:
    """By a hash of a file's name, in about the usual fractions."""
    place = int(_digest(name)[:8], 16) / 2**32
    return STAGES[(place >= FRACTIONS[0]) + (place >= FRACTIONS[0] + FRACTIONS[1])]
