"""Texts as sequences of a bounded number of tokens: one by one, or packed."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor

from leyden.data.text.tokenizer import Tokenizer

SHORTEST = 4
"""Tokens; what is left of a long text, cut into pieces, and is shorter teaches nothing."""


class Pieces(NamedTuple):
    """Pieces of texts, each with the tokens that frame it."""

    texts: list[str]
    """N strings, as the tokenizer writes them."""
    tokens: Tensor
    """(N, T) int64, padding behind the shorter ones."""
    lengths: Tensor
    """(N,) int64 tokens of each, those around it among them."""
    documents: Tensor
    """(N,) int64, the text that a piece is of; pieces of one text follow each other."""


def cut_texts(texts: Iterable[Sequence[int]], tokenizer: Tokenizer, room: int) -> Pieces:
    """``[CLS] tokens [SEP]`` for each text, several such pieces for one of more than ``room`` tokens.

    Args:
        texts: as numbers; of one without any there is nothing.
        tokenizer: that made them; without a start, pieces have none.
        room: tokens of a piece without those that frame it, 1 or more.
    """
    rows, documents = [], []
    for number, text in enumerate(texts):
        for first in range(0, len(text), room):
            if not first or len(text) - first >= SHORTEST:
                rows.append([*text[first : first + room], tokenizer.end])
                documents.append(number)
    return _pieces(rows, documents, tokenizer)


def pack_texts(texts: Iterable[Sequence[int]], tokenizer: Tokenizer, context: int) -> Pieces:
    """All texts in a row, ``[SEP]`` behind each, cut into sequences of ``context`` tokens; a rest is left out.

    Args:
        texts: as numbers.
        tokenizer: that made them; its start, if it has one, begins each sequence.
        context: tokens of a sequence.
    """
    stream = list(chain.from_iterable((*text, tokenizer.end) for text in texts))
    room = context - (tokenizer.start is not None)
    rows = [stream[first : first + room] for first in range(0, max(len(stream) - room + 1, 1), room)]
    return _pieces(rows, [0] * len(rows), tokenizer)


def _pieces(rows: Sequence[Sequence[int]], documents: list[int], tokenizer: Tokenizer) -> Pieces:
    start = [] if tokenizer.start is None else [tokenizer.start]
    lengths = torch.tensor([len(start) + len(row) for row in rows], dtype=torch.long)
    tokens = torch.full((len(rows), int(lengths.max()) if rows else 0), tokenizer.pad)
    for place, row in zip(tokens, rows, strict=True):
        place[: len(start) + len(row)] = torch.tensor([*start, *row])
    return Pieces([tokenizer.decode(row) for row in rows], tokens, lengths, torch.tensor(documents))
