"""What sources of texts with classes share: splits, what is left out, and what makes two texts the same."""

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor

from leyden.core.splits import check_holdout, stratified
from leyden.data.columns import LabelledTexts
from leyden.data.issues import DataIssue, Effect
from leyden.data.source import Source
from leyden.data.splits import STAGES, InMemory, Stage

FRACTIONS = (0.6, 0.1, 0.3)
"""Of texts that come without splits: training, validation, test."""
WORD = re.compile(r"\w+")
LONG_NAMES = {"neg": "negative", "pos": "positive"}
"""Written out, because domains share their classes by name."""


class Text(NamedTuple):
    """A text as it stands in a file."""

    text: str
    label: str
    """The name of its class."""
    file: Path
    line: int | None = None
    """Where it begins, from 1; None where a file is one text."""
    stage: Stage | None = None
    """The split that it comes in, if there are any."""


@lru_cache(2**16)  # asked again of the same texts when domains are compared
def words_of(text: str) -> str:
    """What makes two texts the same: their words, however they are spaced, punctuated or capitalised."""
    return " ".join(WORD.findall(text.casefold())) or text.strip()


class TextSource(Source):
    """Texts (N,) with classes (N,); a child yields them in ``read``.

    Texts that come without splits are divided 60 / 10 / 30 %, stratified; of those with a training and a test split
    ``holdout`` of the first validates. Left out and counted are empty texts, and texts whose words an earlier one has:
    a copy in the test goes before one in training, so that the splits share none.

    Args:
        name: how log lines and errors call it.
        holdout: the part of a given training split that validates.
        limit: so many texts in all, the same part of each class in each split, always the same; None: all.

    Raises:
        ValueError: ``holdout`` is not above 0 and below 1, or ``limit`` below 20.
    """

    produces: ClassVar[str] = "text"
    domain: str | None = None
    """The word that names the domain among others of the same files; None where there is one alone."""
    encoding = "utf-8"

    def __init__(self, name: str, holdout: float = 0.1, limit: int | None = None) -> None:
        check_holdout(holdout)
        if limit is not None and limit < 20:
            raise ValueError(f"data.source.limit={limit}: should be 20 texts or more, or null")
        self.name, self.holdout, self.limit = name, holdout, limit
        self.issues: list[DataIssue] = []
        self._splits: dict[Stage, LabelledTexts] = {}

    @abstractmethod
    def read(self) -> Iterator[Text]:
        """Every text in order.

        Raises:
            FileNotFoundError: there are no such files.
            ValueError: a file that cannot be read as text; the message says where.
        """

    def prepare(self) -> None:
        """Reads all texts.

        Raises:
            FileNotFoundError, ValueError: as in ``read``; or there are fewer than two classes or ten texts.
        """
        if self._splits:
            return
        self.issues = []
        kept = self._fresh(list(self.read()))
        names = sorted({text.label for text in kept})
        if len(names) < 2 or len(kept) < 10:
            raise ValueError(
                f"{self.name} has {len(kept)} texts of the classes {names}: a classifier needs two classes and ten "
                "texts or more; look at the files, or choose another data/source"
            )
        self.class_names = names
        labels = torch.tensor([names.index(text.label) for text in kept])
        for stage, indices in self._indices(kept, labels).items():
            self._splits[stage] = LabelledTexts([kept[i].text for i in indices.tolist()], labels[indices])

    def split(self, stage: Stage) -> InMemory[LabelledTexts]:
        """Texts and labels (N,)."""
        self.prepare()
        return InMemory(self._splits[stage])

    def inspect(self) -> tuple[dict[Stage, InMemory[LabelledTexts]], list[DataIssue]]:  # type: ignore[override]
        """All splits; empty texts and copies with their places."""
        self.prepare()
        return {stage: self.split(stage) for stage in STAGES}, self.issues

    def of_domain(self, domain: str) -> Self:
        """The same source of another domain, not read yet.

        Raises:
            ValueError: it has no domains.
        """
        if self.domain is None:
            raise ValueError(
                f"{self.name} has no domains by word: set data.source.domain, or choose another data/source"
            )
        other = copy(self)
        other.domain = other.name = domain
        other.issues, other._splits = [], {}
        other.__dict__.pop("tally", None)
        return other

    def _fresh(self, texts: Sequence[Text]) -> list[Text]:
        """The texts that are not empty and that no other one has the words of; the test's copy stays."""
        order = {"test": 0, "val": 1, "train": 2, None: 2}
        first: dict[str, Text] = {}
        for text in sorted((text for text in texts if text.text.strip()), key=lambda text: order[text.stage]):
            first.setdefault(words_of(text.text), text)
        kept = []
        for text in texts:
            if not text.text.strip():
                self._leave_out(text, "empty text", "left out", "there is no text here")
            elif (same := first[words_of(text.text)]) is text:
                kept.append(text)
            else:
                where = f"{same.file}" + (f":{same.line}" if same.line else "")
                split = f" of the split {same.stage}" if same.stage not in (None, text.stage) else ""
                kind, effect = ("same text", "note") if same.label == text.label else ("two classes", "warning")
                other = "" if effect == "note" else f", there as {same.label}, here as {text.label}"
                self._leave_out(text, kind, effect, f"has the words of {where}{split}{other}; that one alone is kept")  # type: ignore[arg-type]
        return kept

    def _leave_out(self, text: Text, kind: str, effect: Effect, what: str) -> None:
        self.issues.append(DataIssue(kind, effect, text.file, text.line, what))
        self.tally.add(f"{kind}, left out", f"{text.file}:{text.line}" if text.line else text.file)

    def _indices(self, texts: Sequence[Text], labels: Tensor) -> dict[Stage, Tensor]:
        """Which texts belong to a split."""
        found = {stage: torch.tensor([i for i, t in enumerate(texts) if t.stage == stage]) for stage in STAGES}
        if not any(text.stage for text in texts):
            parts = dict(zip(STAGES, stratified(labels, FRACTIONS), strict=True))
        else:
            if not len(found["test"]):
                found["test"], found["val"] = found["val"], found["test"]
            if not len(found["val"]) and len(found["train"]):
                kept, held = stratified(labels[found["train"]], (1 - self.holdout, self.holdout))
                found["train"], found["val"] = found["train"][kept], found["train"][held]
            parts = found
        for stage, indices in parts.items():
            if not len(indices):
                raise ValueError(f"{self.name}: no text is of the split {stage}: give it some, or no splits at all")
        return {stage: self._limited(indices, labels, len(texts)) for stage, indices in parts.items()}

    def _limited(self, indices: Tensor, labels: Tensor, total: int) -> Tensor:
        if self.limit is None or self.limit >= total:
            return indices
        share = self.limit / total
        return indices[stratified(labels[indices], (share, 1 - share))[0]]


def read_lines(file: Path, encoding: str) -> list[str]:
    r"""The lines of a text file, which only ``\n`` ends (Latin-1 has a sign that Python takes for a line's end).

    Raises:
        ValueError: bytes that are no such text; the message names file and line.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror})") from error
    text = decoded(content, file, "utf-8-sig" if encoding == "utf-8" else encoding)
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines[:-1] if lines and not lines[-1] else lines


def decoded(content: bytes, file: Path, encoding: str, start: int = 0) -> str:
    """Bytes of a file as text.

    Args:
        content: some of the file's bytes.
        file: for the message.
        encoding: of the file; "utf-8-sig" takes a byte-order mark away.
        start: where in the file they begin.

    Raises:
        ValueError: bytes that are no such text; the message names file and line.
    """
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = _lines_before(file, start) + error.object.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{file}:{line}: the byte 0x{error.object[error.start]:02x} is no {encoding.removesuffix('-sig')}: set "
            "data.source.encoding, such as latin-1, or save the file as UTF-8"
        ) from error
    except LookupError as error:
        raise ValueError(f"data.source.encoding={encoding}: Python knows no such encoding; utf-8, latin-1") from error


def _lines_before(file: Path, place: int) -> int:
    """How many lines end in the first ``place`` bytes of a file, which may exceed the memory."""
    count = 0
    with file.open("rb") as opened:
        while place > 0 and (block := opened.read(min(place, 2**20))):
            count += block.count(b"\n")
            place -= len(block)
    return count


def class_name(label: str, names: Mapping[str, str] | None = None) -> str:
    """A class under the name that a user gives it (``names``), or, of sentiment, written out."""
    return (LONG_NAMES if names is None else names).get(label, label)
