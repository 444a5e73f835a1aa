"""Filling in what is hidden: guesses for the masks of a text, and texts with masks to guess."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from leyden.data.ragged import padded
from leyden.data.text.tokenizer import Tokenizer
from leyden.text.nets.bert import BertForPretraining

FIRST, EVERY = 3, 7
"""Of a text that has no mask: the place of the first token that is hidden, and how far the next ones are."""
SHOWN = 5
"""Guesses for each mask."""


class Filled(NamedTuple):
    """A text with masks, and what a network puts there."""

    text: str
    """With a mask's name where something is hidden."""
    filled: str
    """With the best guesses."""
    guesses: list[list[tuple[str, float]]]
    """For each mask the likeliest tokens with their probabilities, the best first."""
    hidden: list[str]
    """What was hidden; empty where nobody knows."""

    @property
    def right(self) -> int:
        """Masks whose best guess is what was hidden."""
        return sum(best[0][0] == token for best, token in zip(self.guesses, self.hidden, strict=bool(self.hidden)))


def fill_texts(
    net: BertForPretraining, tokenizer: Tokenizer, texts: Sequence[str], context: int, once: bool = False
) -> list[Filled]:
    """Guesses for the masks of some texts; of a text without, every seventh token is hidden.

    Args:
        net: in evaluation mode.
        tokenizer: of the texts; the mask is written as it calls it, such as ``[MASK]``.
        texts: at least a token each; of a long one what lies around its first mask.
        context: tokens of a text, at most, those that frame it among them.
        once: one token of each text is hidden instead, in the next text a later one.

    Raises:
        ValueError: a text without a token.
    """
    assert tokenizer.mask is not None
    rows, hidden = [], []
    for count, text in enumerate(texts):
        numbers = _encode(tokenizer, text)
        places = [place for place, number in enumerate(numbers) if number == tokenizer.mask]
        asked = not places
        if asked:
            ordinary = [place for place, number in enumerate(numbers) if number not in tokenizer.special]
            places = ordinary[FIRST::EVERY] or ordinary[-1:]
            if once and ordinary:
                places = [ordinary[(FIRST + EVERY * count) % len(ordinary)]]
        if not places:
            raise ValueError(f"{text!r} has no word that the tokenizer knows: give a text with some")
        room = context - (tokenizer.start is not None) - 1
        begin = max(0, min(places[0] - room // 2, len(numbers) - room))
        kept = [place - begin for place in places if begin <= place < begin + room]
        row = numbers[begin : begin + room]
        hidden.append([tokenizer.decode([row[place]]) for place in kept] if asked else [])
        rows.append([tokenizer.mask if place in kept else number for place, number in enumerate(row)])
    return [
        _filled(tokenizer, row, guesses, known)
        for row, guesses, known in zip(rows, guess(net, tokenizer, rows), hidden, strict=True)
    ]


@torch.no_grad()
def guess(
    net: BertForPretraining, tokenizer: Tokenizer, rows: Sequence[Sequence[int]], count: int = SHOWN
) -> list[list[list[tuple[int, float]]]]:
    """For each mask of some texts the likeliest ordinary tokens with their probabilities.

    Args:
        net: in evaluation mode.
        tokenizer: of the texts.
        rows: texts as numbers, without tokens that frame them.
        count: tokens for each mask.
    """
    assert tokenizer.mask is not None
    start = [] if tokenizer.start is None else [tokenizer.start]
    framed = [[*start, *row, tokenizer.end] for row in rows]
    tokens, lengths = padded(framed, tokenizer.pad, net.masked.bias.device)
    real = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
    masks = tokens == tokenizer.mask
    logits = net.token_logits(net.encoder(tokens, real)[masks]).float()  # (masks, V)
    logits[:, list(tokenizer.special)] = -torch.inf
    best = logits.softmax(-1).topk(min(count, tokenizer.size - len(tokenizer.special)))
    found = [list(zip(t, p, strict=True)) for t, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)]
    ends = masks.sum(1).cumsum(0).tolist()
    return [found[first:last] for first, last in zip([0, *ends], ends, strict=False)]


def _encode(tokenizer: Tokenizer, text: str) -> list[int]:
    """A text's numbers, the mask's where its name stands, whether or not the tokenizer looks for it."""
    assert tokenizer.mask is not None
    first, *rest = text.split(tokenizer.vocabulary[tokenizer.mask])
    parts = [tokenizer.encode(part) for part in (first.rstrip() if rest else first, *(part.rstrip() for part in rest))]
    return [*parts[0], *(number for part in parts[1:] for number in (tokenizer.mask, *part))]


def _filled(
    tokenizer: Tokenizer, row: Sequence[int], guesses: list[list[tuple[int, float]]], hidden: list[str]
) -> Filled:
    assert tokenizer.mask is not None
    parts: list[list[int]] = [[]]
    best = iter(guesses)
    whole = []
    for number in row:
        if number == tokenizer.mask:
            parts.append([])
            whole.append(next(best)[0][0])
        else:
            parts[-1].append(number)
            whole.append(number)
    text = f" {tokenizer.vocabulary[tokenizer.mask]} ".join(tokenizer.decode(part).strip() for part in parts)
    named = [[(tokenizer.decode([number]), p) for number, p in each] for each in guesses]
    return Filled(text.strip(), tokenizer.decode(whole), named, hidden)
