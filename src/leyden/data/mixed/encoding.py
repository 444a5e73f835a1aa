"""Rows of a table whose columns differ in kind as vectors, and back (Xu et al. 2019, sec. 4.2).

Mode-specific normalisation of a number v, whose column is a mixture of K Gaussians with means m_k, deviations s_k and
weights w_k: a mode k is drawn by its share in v's density, w_k N(v; m_k, s_k) / sum_j w_j N(v; m_j, s_j); v becomes

    alpha = (v - m_k) / (4 s_k), clipped to -0.99 .. 0.99,   beta = one-hot(k)

and alpha 4 s_k + m_k is v again, unless it was clipped. A category becomes its one-hot. Where numbers have empty cells,
beta has one more place, which means "empty"; alpha is 0 there. (The authors' program refuses empty cells.)
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from leyden.data.specs import NUMBERS, WORDS, ColumnSpec, FittedColumnSpec

REACH = 4.0
"""Standard deviations that alpha's 1 stands for."""
CLIP = 0.99
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Span(NamedTuple):
    """The places of one column in a vector."""

    column: int
    scalar: int | None
    """Of alpha; None for words."""
    start: int
    """Of the one-hot."""
    stop: int


class RowEncoding:
    """The vectors' layout, and the way there and back.

    Args:
        columns: what is known of them after ``leyden.data.mixed.modes.fit_columns``; constants take no place.

    Raises:
        ValueError: every column is constant.
    """

    def __init__(self, columns: Sequence[FittedColumnSpec]) -> None:
        self.columns = list(columns)
        self.spans: list[Span] = []
        width = 0
        for number, column in enumerate(columns):
            if column["kind"] == "constant":
                continue
            scalar = width if column["kind"] in NUMBERS else None
            start = width + (scalar is not None)
            width = start + (len(column["means"]) + (column["missing"] > 0) if scalar is not None else places(column))
            self.spans.append(Span(number, scalar, start, width))
        if not self.spans:
            raise ValueError("every column is constant: there is nothing to learn")
        self.width = width
        """Of a vector."""

    @property
    def words(self) -> list[Span]:
        """Of the columns of words, which a generator can be asked for."""
        return [span for span in self.spans if span.scalar is None]

    def encode(self, values: Tensor, seed: int = 0) -> Tensor:
        """Rows (N, C) float64 as vectors (N, width) float32.

        Args:
            values: see ``leyden.data.columns.MixedRows``.
            seed: of the modes that are drawn.
        """
        generator = torch.Generator().manual_seed(seed)
        encoded = torch.zeros(len(values), self.width)
        for span in self.spans:
            column, cells = self.columns[span.column], values[:, span.column]
            if span.scalar is None:
                place = cells.long()
            else:
                mean, std, weight = mixture(column)
                known = torch.where(cells.isnan(), mean[0], cells).unsqueeze(1)
                logits = weight.log() - std.log() - ((known - mean) / std).square() / 2
                share = (logits - logits.max(1, keepdim=True).values).exp() + 1e-6
                place = torch.multinomial(share, 1, generator=generator).squeeze(1)
                alpha = (known.squeeze(1) - mean[place]) / (REACH * std[place])
                empty = cells.isnan()
                encoded[:, span.scalar] = torch.where(empty, 0.0, alpha.clamp(-CLIP, CLIP)).float()
                place = torch.where(empty, len(mean), place)
            encoded[:, span.start : span.stop] = one_hot(place, span.stop - span.start).float()
        return encoded

    def decode(self, encoded: Tensor) -> Tensor:
        """Vectors (N, width) as rows (N, C) float64: the greatest place of each one-hot counts.

        Numbers stay within the training rows' range and are rounded as those are.
        """
        encoded = encoded.detach().cpu().double()
        values = torch.zeros(len(encoded), len(self.columns), dtype=torch.float64)
        for span in self.spans:
            column = self.columns[span.column]
            place = encoded[:, span.start : span.stop].argmax(1)
            if span.scalar is None:
                values[:, span.column] = place.double()
                continue
            mean, std, _ = mixture(column)
            empty = place == len(mean)
            place = place.clamp(max=len(mean) - 1)
            numbers = encoded[:, span.scalar].clamp(-1, 1) * REACH * std[place] + mean[place]
            numbers = numbers.clamp(column["low"], column["high"]).round(decimals=column["decimals"])
            values[:, span.column] = torch.where(empty, torch.nan, numbers)
        return values


def mixture(column: FittedColumnSpec) -> tuple[Tensor, Tensor, Tensor]:
    """Means, deviations and weights of a column's modes, (K,) float64 each."""
    means, stds, weights = (
        torch.tensor(part, dtype=torch.float64) for part in (column["means"], column["stds"], column["weights"])
    )
    return means, stds, weights


def places(column: ColumnSpec) -> int:
    """Categories of a column of words, 0 for others."""
    return len(column["categories"]) if column["kind"] in WORDS else 0


def cells(columns: Sequence[FittedColumnSpec], values: Tensor) -> list[dict[str, Any]]:
    """Rows (N, C) as the file has them: a dict by the columns' names, fit for JSON; None for an empty cell."""
    return [
        {column["name"]: _cell(column, value) for column, value in zip(columns, row, strict=True)}
        for row in values.tolist()
    ]


def _cell(column: FittedColumnSpec, value: float) -> Any:
    if value != value:
        return None
    if column["kind"] == "continuous":
        return round(value, column["decimals"])
    if column["kind"] == "whole":
        return round(value)
    if column["kind"] == "date":
        return (EPOCH + timedelta(days=value)).strftime(column["date_format"])
    word = column["categories"][int(value)]
    if word == "":
        return None
    return int(word) if word.isdecimal() and str(int(word)) == word else word
