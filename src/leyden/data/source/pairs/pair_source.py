"""What sources of pairs, a text and its summary, share: splits, what is left out, which pairs there are."""

import logging
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch

from leyden.core.splits import check_holdout, stratified
from leyden.data.columns import TextPairs
from leyden.data.issues import DataIssue, Effect
from leyden.data.module import hashed
from leyden.data.source import Source
from leyden.data.source.text.text_source import FRACTIONS, words_of
from leyden.data.splits import STAGES, InMemory, Stage

log = logging.getLogger(__name__)


class Pair(NamedTuple):
    """A text and its summary as they stand in a file."""

    text: str
    summary: str
    file: Path
    line: int | None = None
    """Where it begins, from 1."""
    stage: Stage | None = None
    """The split that it comes in, if there are any."""


class PairSource(Source):
    """Texts with a summary each; a child yields them in ``read``.

    Pairs that come without splits are divided 60 / 10 / 30 %; of those with a training and a test split ``holdout`` of
    the first validates. Left out and counted are pairs one of whose sides is empty, pairs whose summary has the
    words of an earlier one's, and pairs whose text stands in another split, too: a copy in the test goes before one in
    training, so that the splits share none.

    Args:
        name: how log lines and errors call it.
        holdout: the part of a given training split that validates.
        limit: so many pairs in all, the same part of each split, always the same; None: all.

    Raises:
        ValueError: ``holdout`` is not above 0 and below 1, or ``limit`` below 20.
    """

    produces: ClassVar[str] = "text pairs"
    encoding = "utf-8"

    def __init__(self, name: str, holdout: float = 0.1, limit: int | None = None) -> None:
        check_holdout(holdout)
        if limit is not None and limit < 20:
            raise ValueError(f"data.source.limit={limit}: should be 20 pairs or more, or null")
        self.name, self.holdout, self.limit = name, holdout, limit
        self.issues: list[DataIssue] = []
        self._splits: dict[Stage, TextPairs] = {}

    @abstractmethod
    def read(self) -> Iterator[Pair]:
        """Every pair in order.

        Raises:
            FileNotFoundError: there are no such files.
            ValueError: a file that cannot be read as pairs of texts; the message says where.
        """

    def about(self) -> str:
        """Where the pairs come from, for the log."""
        return self.name

    def prepare(self) -> None:
        """Reads all pairs.

        Raises:
            FileNotFoundError, ValueError: as in ``read``; or there are fewer than ten pairs, or none in a split.
        """
        if self._splits:
            return
        self.issues = []
        kept = self._fresh(list(self.read()))
        if len(kept) < 10:
            raise ValueError(
                f"{self.name} has {len(kept)} pairs of a text and a summary: give ten or more, or choose another "
                "data/source"
            )
        for stage, indices in self._indices(kept).items():
            pairs = [kept[i] for i in indices.tolist()]
            self._splits[stage] = TextPairs([pair.text for pair in pairs], [pair.summary for pair in pairs])
        sizes = ", ".join(f"{len(self._splits[stage].texts):,} {stage}" for stage in STAGES)
        log.info("%s: %s pairs, fingerprint %s, of %s", self.name, sizes, self.fingerprint, self.about())

    @property
    def fingerprint(self) -> str:
        """A short hash of all pairs and of the split that each is in; valid after ``prepare``."""
        sides = (side for stage in STAGES for column in self._splits[stage] for side in (stage, *column))
        return hashed(f"{side}\0".encode() for side in sides)

    def split(self, stage: Stage) -> InMemory[TextPairs]:
        """Texts and summaries (N,)."""
        self.prepare()
        return InMemory(self._splits[stage])

    def inspect(self) -> tuple[dict[Stage, InMemory[TextPairs]], list[DataIssue]]:  # type: ignore[override]
        """All splits; empty sides and copies with their places."""
        self.prepare()
        return {stage: self.split(stage) for stage in STAGES}, self.issues

    def _fresh(self, pairs: Sequence[Pair]) -> list[Pair]:
        """The pairs with two sides and a summary that no other one has the words of; the test's copy stays."""
        order = {"test": 0, "val": 1, "train": 2, None: 2}
        first: dict[str, Pair] = {}
        home: dict[str, Pair] = {}  # where a text stands, which may have several summaries in one split
        for pair in sorted(pairs, key=lambda pair: order[pair.stage]):
            if pair.text.strip() and pair.summary.strip():
                first.setdefault(words_of(pair.summary), pair)
                home.setdefault(words_of(pair.text), pair)
        kept = []
        for pair in pairs:
            if empty := [side for side in ("text", "summary") if not getattr(pair, side).strip()]:
                self._leave_out(pair, f"empty {empty[0]}", "left out", f"there is no {empty[0]} here")
                continue
            summed, read = first[words_of(pair.summary)], home[words_of(pair.text)]
            if summed is not pair:
                self._leave_out(pair, "same summary", "note", f"has the words of {_place(summed, pair)}")
            elif read is not pair and (pair.stage is None or read.stage != pair.stage):
                self._leave_out(pair, "same text", "note", f"has the text of {_place(read, pair)}")
            else:
                kept.append(pair)
        return kept

    def _leave_out(self, pair: Pair, kind: str, effect: Effect, what: str) -> None:
        self.issues.append(DataIssue(kind, effect, pair.file, pair.line, what))
        self.tally.add(f"{kind}, left out", f"{pair.file}:{pair.line}" if pair.line else pair.file)

    def _indices(self, pairs: Sequence[Pair]) -> dict[Stage, torch.Tensor]:
        """Which pairs belong to a split."""
        found = {stage: torch.tensor([i for i, p in enumerate(pairs) if p.stage == stage]).long() for stage in STAGES}
        if not any(pair.stage for pair in pairs):
            found = dict(zip(STAGES, parts(torch.arange(len(pairs)), FRACTIONS), strict=True))
        else:
            if not len(found["test"]):
                found["test"], found["val"] = found["val"], found["test"]
            if not len(found["val"]) and len(found["train"]):
                found["train"], found["val"] = parts(found["train"], (1 - self.holdout, self.holdout))
        for stage, indices in found.items():
            if not len(indices):
                raise ValueError(f"{self.name}: no pair is of the split {stage}: give it some, or no splits at all")
            if self.limit is not None and self.limit < len(pairs):
                share = self.limit / len(pairs)
                found[stage] = parts(indices, (share, 1 - share))[0]
        return found


def _place(kept: Pair, pair: Pair) -> str:
    """Where the pair stands that is kept in the place of another."""
    where = f"{kept.file}" + (f":{kept.line}" if kept.line else "")
    split = f" of the split {kept.stage}" if kept.stage not in (None, pair.stage) else ""
    return f"{where}{split}; that one alone is kept"


def parts(indices: torch.Tensor, fractions: Sequence[float]) -> list[torch.Tensor]:
    """Indices (N,) divided at random, always the same way."""
    return [indices[part] for part in stratified(torch.zeros(len(indices), dtype=torch.int64), fractions)]
