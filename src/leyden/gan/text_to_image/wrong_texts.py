"""Which other description an image is shown with, for a network that must tell whether both fit."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot, softplus

from leyden.data.columns import CaptionedTokens

WrongTexts = Literal["any", "nearest", "one_word", "none"]


def wrong_partners(batch: CaptionedTokens, way: WrongTexts) -> tuple[Tensor, Tensor]:
    """For each example one of the batch whose description says something else.

    Args:
        batch: N examples.
        way: "any": the one before it; "nearest": the one whose description shares the most words with its own, by lot
            where several do.

    Returns:
        places (N,) int64 in the batch, and which of these say something else, (N,) bool: not all do where a batch has
        few descriptions.
    """
    if way == "any":
        others = torch.arange(len(batch.labels), device=batch.labels.device).roll(1)
    else:
        near = shared_words(batch.tokens, batch.lengths)
        near = near + torch.rand(near.shape, device=near.device)  # less than one word
        others = near.masked_fill(batch.labels[:, None] == batch.labels, -1).argmax(1)
    return others, batch.labels[others] != batch.labels


def shared_words(tokens: Tensor, lengths: Tensor) -> Tensor:
    """How many tokens each two of N texts have in common: (N, N) of tokens (N, T) with lengths (N,)."""
    inside = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
    found = tokens.unique()
    present = (one_hot(torch.searchsorted(found, tokens), len(found)) * inside[..., None]).amax(1).float()
    return present @ present.T


def unpreferred(logits: Tensor, differ: Tensor) -> Tensor:
    """-E ln sigmoid(l(x, t) - l(x, t')): how little the own description is preferred to wrong ones, () loss.

    Args:
        logits: (1 + K, N) of N images, with the own description first.
        differ: (K, N) which of the others say something else; where none does, the loss is 0.
    """
    values = softplus(logits[1:] - logits[0])
    return values[differ].mean() if differ.any() else values.sum() * 0
