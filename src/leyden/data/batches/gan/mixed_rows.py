"""Rows of a table whose columns differ in kind, encoded for networks; training rows also by what they are to have."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from leyden.core.seeding import mix
from leyden.data.columns import EncodedRows, MixedRows
from leyden.data.loader import Loader
from leyden.data.mixed.encoding import RowEncoding
from leyden.data.mixed.modes import fit_columns
from leyden.data.module import DataModule
from leyden.data.source.mixed_rows.mixed_source import MixedSource
from leyden.data.specs import FittedColumnSpec, MixedTableSpec
from leyden.data.splits import InMemory, Split, Stage

EPOCH_BATCHES = 64
"""An epoch has so many batches at least: of a table of a few hundred rows one would be a single step."""


class MixedTable(DataModule):
    """Training batches ``EncodedRows``; validation and test batches ``MixedRows``.

    The encoding (``leyden.data.mixed.encoding``) is fitted to the training rows. A training epoch passes over a small
    table as often as makes 64 batches.

    Args:
        source: the table.
        modes: of a column of numbers, at most; 10 in the paper.
        batch_size: rows per step and device.
        eval_batch_size: rows per validation or test batch.
        seed: of the encoding and of what is drawn.

    Raises:
        ValueError: a source of something else, or no mode.
    """

    consumes: ClassVar[str] = "mixed_rows"
    source: MixedSource

    def __init__(
        self, source: MixedSource, modes: int = 10, batch_size: int = 500, eval_batch_size: int = 4096, seed: int = 0
    ) -> None:
        super().__init__(source, batch_size, eval_batch_size, 0, seed)
        if modes < 1:
            raise ValueError(f"data.modes={modes}: a column of numbers has 1 mode or more")
        self.modes = modes

    @cached_property
    def columns(self) -> list[FittedColumnSpec]:
        """What the training rows say of each column; valid after ``prepare_data``."""
        return fit_columns(self.source.columns, self.rows("train"), self.modes)

    @property
    def spec(self) -> MixedTableSpec:
        """What the model must know; valid after ``prepare_data``."""
        return MixedTableSpec(columns=self.columns, label=self.source.label)

    def rows(self, stage: Stage) -> Tensor:
        """All rows (N, C) float64 of a split, see ``leyden.data.columns.MixedRows``."""
        split = self.split(stage)
        assert isinstance(split, InMemory)
        values: Tensor = split.columns.values
        return values

    def content(self, split: Split) -> Iterator[bytes]:
        """Bytes of the rows."""
        assert isinstance(split, InMemory)
        assert isinstance(split.columns, MixedRows)
        yield split.columns.values.numpy().tobytes()

    def loader(self, stage: Stage) -> Any:
        """Batches of a stage."""
        if stage != "train":
            return super().loader(stage)
        encoded = RowEncoding(self.columns)
        vectors = encoded.encode(self.rows("train"), mix(self.seed, 1))
        length = max(len(vectors), EPOCH_BATCHES * self.batch_size)
        rows = TrainingRows(vectors, [(span.start, span.stop) for span in encoded.words], length)
        return Loader(rows, self.batch_size, train=not self.overfits, seed=self.seed, limit=self.taken)


class TrainingRows:
    """Draws training batches by CTGAN's "training by sampling" (Xu et al. 2019, sec. 4.3).

    For each row of the batch one of the columns with categories is drawn, all alike, then one of its categories by
    ln(1 + rows that have it), so that rare ones are seen often; then a row that has it.

    Args:
        vectors: (N, width) float32 encoded rows.
        words: start and stop of each column with categories; without any, conditions have no width, and ``matching`` is
            ``rows``.
        length: what ``len`` says; row i is row i mod N of the table.
    """

    draws = 3

    def __init__(self, vectors: Tensor, words: Sequence[tuple[int, int]], length: int) -> None:
        self.vectors, self.length, self.columns = vectors, length, len(words)
        self.sizes = torch.tensor([stop - start for start, stop in words], dtype=torch.int64)
        self.offsets = self.sizes.cumsum(0) - self.sizes
        self.categories = int(self.sizes.sum())
        members = [vectors[:, place].nonzero().flatten() for start, stop in words for place in range(start, stop)]
        self.counts = torch.tensor([len(rows) for rows in members], dtype=torch.int64)
        self.members = torch.cat(members) if members else torch.empty(0, dtype=torch.int64)
        self.first = self.counts.cumsum(0) - self.counts
        # Of each column a whole number, then the share of the categories before: one sorted list for one search.
        frequency = self.counts.double().log1p()
        parts = frequency.split(self.sizes.tolist())
        self.upto = torch.cat(
            [column + part.cumsum(0) / part.sum() for column, part in enumerate(parts)] or [frequency]
        )

    def __len__(self) -> int:
        return self.length

    def sample(self, indices: Tensor, u: Tensor) -> EncodedRows:
        """A batch; see ``leyden.data.splits.Sampled``.

        Args:
            indices: (B,) int64 of the rows that are drawn evenly.
            u: (B, 3) uniform in [0, 1): of the column, the category and the row that has it.
        """
        rows = self.vectors[indices % len(self.vectors)]
        conditions = torch.zeros(len(indices), self.categories)
        if not self.columns:
            return EncodedRows(rows, conditions, torch.zeros_like(indices), rows)
        u = u.double()
        asked = (u[:, 0] * self.columns).long()
        category = torch.searchsorted(self.upto, asked + u[:, 1], right=True)
        conditions[torch.arange(len(indices)), category] = 1
        row = self.members[self.first[category] + (u[:, 2] * self.counts[category]).long()]
        return EncodedRows(rows, conditions, asked, self.vectors[row])
