"""Pairs of a text and its summary as tokens, for networks that write the second from the first."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from leyden.data.columns import TextPairs, TokenPairs
from leyden.data.loader import Loader
from leyden.data.module import DataModule
from leyden.data.ragged import BucketLoader, Ragged
from leyden.data.source.pairs.pair_source import PairSource
from leyden.data.specs import PairSpec
from leyden.data.splits import InMemory, Split, Stage
from leyden.data.text.tokenizer import Tokenizer
from leyden.data.text.tokenizer_sources import tokenizer_of


class PairTokens(DataModule):
    """Batches of ``TokenPairs``: the beginning of each text, its summary with an end behind it, both padded.

    One tokenizer serves both sides. A text of more than ``context`` tokens loses its end, and so does a summary of more
    than ``summary_context``; both are counted in the log. Metrics that compare with whole summaries read them in the
    source (``whole``).

    Args:
        source: of pairs.
        tokenizer: ``wordpiece``, ``bpe`` or ``characters``, trained on both sides of the training pairs; ``minilm``; or
            the path of a tokenizer.json, of a folder with one, of a record.
        vocabulary_size: so many tokens at most, of a tokenizer that is trained.
        context: tokens of a text that are read, at most.
        summary_context: tokens of a summary, its end included, at most.
        bucket: whether the texts of a batch are of like lengths.
        batch_size: training pairs per step and device.
        eval_batch_size: pairs per validation or test batch.
        seed: of the order of training pairs.

    Raises:
        ValueError: the source has no pairs, or a number is out of range.
    """

    consumes: ClassVar[str] = "text pairs"
    source: PairSource

    def __init__(
        self,
        source: PairSource,
        tokenizer: str = "wordpiece",
        vocabulary_size: int = 4000,
        context: int = 80,
        summary_context: int = 32,
        bucket: bool = True,
        batch_size: int = 32,
        eval_batch_size: int = 128,
        seed: int = 0,
    ) -> None:
        super().__init__(source, batch_size, eval_batch_size, seed=seed)
        if context < 2 or summary_context < 2:
            raise ValueError(f"data.context={context} and data.summary_context={summary_context} should be 2 or more")
        self.word, self.vocabulary_size = tokenizer, vocabulary_size
        self.context, self.summary_context, self.bucket = context, summary_context, bucket

    @property
    def spec(self) -> PairSpec:
        """What the model must know; valid after ``prepare_data``."""
        return PairSpec(tokenizer=self.tokenizer.spec, context=self.context, summary_context=self.summary_context)

    def prepare_data(self) -> None:
        """Reads the pairs and trains the tokenizer."""
        super().prepare_data()
        _ = self.tokenizer

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Of both sides of the training pairs, or the one that was given."""
        texts, summaries = self.source.split("train").columns
        return tokenizer_of(self.word, [*texts, *summaries], self.vocabulary_size)

    def whole(self, stage: Stage) -> TextPairs:
        """The pairs of a stage as they are written; ``TokenPairs.places`` count them."""
        return self.source.split(stage).columns

    def prepared(self, raw: Split) -> "RaggedPairs":
        """Pairs as tokens, cut to their contexts."""
        assert isinstance(raw, InMemory)
        texts = self._tokens(raw.columns.texts, self.context, "text beyond data.context")
        ends = self._tokens(
            raw.columns.summaries, self.summary_context, "summary beyond data.summary_context", ended=True
        )
        return RaggedPairs(ragged(texts, self.tokenizer.pad), ragged(ends, self.tokenizer.pad))

    def content(self, split: Split) -> Iterator[bytes]:
        """The tokens of both sides."""
        assert isinstance(split, RaggedPairs)
        for side in (split.texts, split.summaries):
            yield side.values.numpy().tobytes()
            yield side.lengths.numpy().tobytes()

    def loader(self, stage: Stage) -> Loader:
        """Batches of texts of like lengths."""
        train = stage == "train"
        split: Any = self.on_device(self.split(stage))
        size = self.batch_size if train else self.eval_batch_size
        options: Any = {"train": train and not self.overfits, "seed": self.seed, "limit": self.taken if train else 1.0}
        return (BucketLoader if self.bucket else Loader)(split, size, **options)

    def _tokens(self, texts: Sequence[str], context: int, what: str, ended: bool = False) -> list[list[int]]:
        """The numbers of each text, no more than ``context``, an end behind them if wanted; what is cut is counted."""
        ends = [self.tokenizer.end] if ended else []
        rows = self.tokenizer.encode_all(texts)
        room = context - len(ends)
        cut = [place for place, row in enumerate(rows) if len(row) > room]
        if cut:
            self.source.tally.add(f"{what}={context} tokens, cut", repr(texts[cut[0]][:40]), len(cut))
        return [[*(row[:room] or [self.tokenizer.unknown]), *ends] for row in rows]


def ragged(rows: Sequence[Sequence[int]], pad: int) -> Ragged:
    """Rows of numbers, one behind the other; each is numbered by its place."""
    lengths = torch.tensor([len(row) for row in rows])
    return Ragged(torch.tensor([number for row in rows for number in row]), lengths, torch.arange(len(rows)), pad)


class RaggedPairs:
    """A split of pairs; a batch is as wide as its longest text and summary (``leyden.data.splits.Sampled``).

    Args:
        texts: numbered by their places.
        summaries: of the same pairs, numbered alike.
    """

    draws = 0

    def __init__(self, texts: Ragged, summaries: Ragged) -> None:
        self.texts, self.summaries = texts, summaries

    @property
    def lengths(self) -> Tensor:
        """(N,) int64 tokens of each text, by which pairs are alike."""
        return self.texts.lengths

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> TokenPairs:
        text, summary = self.texts[index], self.summaries[index]
        return TokenPairs(text.tokens, text.lengths, summary.tokens, summary.lengths, text.labels)

    @property
    def nbytes(self) -> int:
        """What the numbers take."""
        return self.texts.nbytes + self.summaries.nbytes

    def to(self, device: torch.device) -> "RaggedPairs":
        """The same split with its numbers on ``device``."""
        return RaggedPairs(self.texts.to(device), self.summaries.to(device))

    def sample(self, indices: Tensor, u: Tensor | None = None) -> TokenPairs:
        """The pairs ``indices`` (B,) int64."""
        text, summary = self.texts.sample(indices), self.summaries.sample(indices)
        return TokenPairs(text.tokens, text.lengths, summary.tokens, summary.lengths, text.labels)
