"""Texts of different lengths in memory, and batches of like lengths: little of a batch is padding."""

from collections.abc import Sequence
from copy import copy
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from leyden.data.columns import LabelledTokens
from leyden.data.loader import Loader

POOL = 50
"""Batches whose texts are sorted by length together: more waste less, and make batches more alike."""


def padded(rows: Sequence[Sequence[int]], pad: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Rows of numbers as (B, T) int64, ``pad`` behind the shorter ones, and their lengths (B,).

    Args:
        rows: one or more.
        pad: what stands behind.
        device: of both; None: the CPU.
    """
    numbers = pad_sequence([torch.tensor(row, dtype=torch.int64) for row in rows], batch_first=True, padding_value=pad)
    return numbers.to(device), torch.tensor([len(row) for row in rows], device=device)


class Ragged:
    """A split whose texts lie one behind the other; a batch is as wide as its longest (``leyden.data.splits.Sampled``).

    Args:
        values: (S, ...) of all texts: int64 tokens, or float32 features of them.
        lengths: (N,) int64, of each text, from 1; they add up to S.
        labels: (N,) int64 classes.
        pad: the token behind shorter texts; features have 0 there.
        starts: (N,) int64, where each text begins among the values; None: in their order.

    Raises:
        ValueError: the lengths do not add up.
    """

    draws = 0

    def __init__(
        self, values: Tensor, lengths: Tensor, labels: Tensor, pad: int = 0, starts: Tensor | None = None
    ) -> None:
        if int(lengths.sum()) != len(values) or len(lengths) != len(labels):
            raise ValueError(f"{len(labels)} texts of {int(lengths.sum())} tokens together, but {len(values)} values")
        self.values, self.lengths, self.labels, self.pad = values, lengths, labels, pad
        self.starts = lengths.cumsum(0) - lengths if starts is None else starts

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> LabelledTokens:
        start = int(self.starts[index])
        length = self.lengths[index]
        return LabelledTokens(self.values[start : start + int(length)], length, self.labels[index])

    @property
    def nbytes(self) -> int:
        """What the values take."""
        return self.values.nbytes

    def to(self, device: torch.device) -> "Ragged":
        """The same split with its values on ``device``; lengths stay, as they say how wide a batch is."""
        other = copy(self)
        other.values = self.values.to(device)
        return other

    def sample(self, indices: Tensor, u: Tensor | None = None) -> LabelledTokens:
        """The texts ``indices`` (B,) int64: tokens (B, T), or features (B, T, D), padded behind shorter ones."""
        lengths, starts, device = self.lengths[indices], self.starts[indices], self.values.device
        places = torch.arange(int(lengths.max()))
        inside = places < lengths[:, None]  # (B, T)
        where = (starts[:, None] + places)[inside].to(device)
        shape = (*inside.shape, *self.values.shape[1:])
        padded = self.values.new_full(shape, 0 if self.values.is_floating_point() else self.pad)
        padded[inside.to(device)] = self.values[where]
        return LabelledTokens(padded, lengths.to(device), self.labels[indices].to(device))


class HasLengths(Protocol):
    """A split that draws batches of texts (``leyden.data.splits.Sampled``), and knows their lengths."""

    draws: int
    lengths: Tensor
    """(N,) int64 tokens of each text, on the CPU."""

    def __len__(self) -> int: ...

    def sample(self, indices: Tensor, u: Tensor) -> Any:
        """The texts ``indices`` (B,), drawn by ``u`` (B, draws)."""
        ...


class BucketLoader(Loader):
    """Batches of texts of like lengths, in an order that is a function of (seed, epoch).

    In training the texts are shuffled; of each ``POOL`` batches the texts are sorted by length and cut into batches,
    and the batches of all pools are shuffled: each epoch sees each text once, as without buckets. Evaluation goes from
    the shortest to the longest text. Ranks take steps of the same lengths.

    Args:
        split: of texts; the other arguments are those of ``Loader``.
        batch_size: see ``Loader``.
        train: see ``Loader``.
        seed: see ``Loader``.
        limit: see ``Loader``.
        whole: see ``Loader``.
        lengths: (N,) int64, by which texts are alike; None: those of the split.
    """

    split: HasLengths

    def __init__(
        self,
        split: HasLengths,
        batch_size: int,
        *,
        train: bool = False,
        seed: int = 0,
        limit: int | float = 1.0,
        whole: bool = False,
        lengths: Tensor | None = None,
    ) -> None:
        super().__init__(split, batch_size, train=train, seed=seed, limit=limit, whole=whole)
        self.lengths = split.lengths if lengths is None else lengths

    def arranged(self, order: Tensor, together: int) -> Tensor:
        """The same texts, those of each batch of like lengths."""
        if not self.train:
            return order[self.lengths[order].argsort(stable=True)]
        full = len(order) // together * together  # the ragged end is dropped before it would be the longest texts
        if not full:
            return order
        pools = order[:full].split(POOL * together)
        batches = torch.cat([pool[self.lengths[pool].argsort(stable=True)] for pool in pools]).view(-1, together)
        return batches[torch.randperm(len(batches), generator=self._generator(self._epoch, 2))].flatten()
