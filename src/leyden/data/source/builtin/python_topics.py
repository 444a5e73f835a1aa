"""English text about Python: the topics of its own `help()`, inside the standard library."""

import hashlib
from pydoc_data.topics import topics
from typing import ClassVar

from leyden.data.columns import Texts
from leyden.data.source import Source
from leyden.data.splits import STAGES, InMemory, Stage

EDGES: dict[Stage, tuple[float, float]] = {"train": (0.0, 0.8), "val": (0.8, 0.9), "test": (0.9, 1.0)}
"""Which hashes, as fractions of all, belong to a split."""


class PythonTopics(Source):
    """Some eighty texts on Python's statements, types and operators, about 0.4 million characters (Python 3.11).

    A topic is in one split only; which one is decided by a hash of its name, so a new version of Python moves none.
    Topics quote each other: the chapter on compound statements has the topic `for`, word for word. So the validation
    and test texts lack each paragraph that an earlier split has, two fifths of the test's characters: what a model
    is asked for it has not read before. Versions of Python differ in their texts, so figures of two hardly compare.
    """

    produces: ClassVar[str] = "text"
    name = "python_topics"

    def split(self, stage: Stage) -> InMemory[Texts]:
        """Texts, in the order of their topics' names."""
        earlier = STAGES[: STAGES.index(stage)]
        seen = {_words(part) for before in earlier for text in _texts(before) for part in _paragraphs(text)}
        fresh = (_without(text, seen) for text in _texts(stage))
        return InMemory(Texts([text for text in fresh if text]))


def _texts(stage: Stage) -> list[str]:
    """The whole topics of a split."""
    first, last = EDGES[stage]
    return [topics[name] for name in sorted(topics) if first <= _place(name) < last]


def _place(name: str) -> float:
    """A number in [0, 1) that depends on the name alone."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32


def _paragraphs(text: str) -> list[str]:
    return text.split("\n\n")


def _words(paragraph: str) -> tuple[str, ...]:
    """What makes two paragraphs the same: their words, however they are indented and broken into lines."""
    return tuple(paragraph.split())


def _without(text: str, seen: set[tuple[str, ...]]) -> str:
    return "\n\n".join(part for part in _paragraphs(text) if _words(part) not in seen)
