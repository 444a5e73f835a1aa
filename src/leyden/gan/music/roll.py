"""Notes as planes that networks take, and back: a piano roll per voice with a row for silence and one for onsets."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

EXTRA = 2
"""Rows above the pitches: where a note begins, and silence."""

Binarise = Literal["straight_through", "gumbel", "softmax"]


def to_roll(notes: Tensor, onsets: Tensor, lowest: int, pitches: int) -> Tensor:
    """Piano rolls float32 (N, V, 2 + pitches, T) of 0 and 1: onsets, silence, pitches from the lowest up.

    Args:
        notes: (N, V, T) int64 MIDI pitches from ``lowest`` to below ``lowest + pitches``, 0 for silence.
        onsets: (N, V, T) bool.
        lowest: pitch of the first row of pitches.
        pitches: rows of pitches.
    """
    places = torch.where(notes > 0, notes - lowest + 1, 0)
    rows = one_hot(places, pitches + 1).movedim(-1, -2)
    return torch.cat([onsets.unsqueeze(-2), rows], dim=-2).float()


def from_roll(roll: Tensor, lowest: int) -> tuple[Tensor, Tensor]:
    """Pitches (N, V, T) int64 and onsets (N, V, T) bool of rolls (N, V, 2 + pitches, T): the inverse of ``to_roll``.

    Args:
        roll: of 0 and 1; of others the likeliest.
        lowest: pitch of the first row of pitches.
    """
    places = roll[:, :, 1:].argmax(2)
    notes = torch.where(places > 0, places + lowest - 1, 0)
    return notes, (roll[:, :, 0] > 0.5) & (notes > 0)


def activate(logits: Tensor, last: Tensor, binarise: Binarise, generator: torch.Generator | None = None) -> Tensor:
    """The roll (N, V, 2 + pitches, T) of G's logits of the same shape, in which notes last until a voice moves.

    In each step a voice moves with m = sigmoid(first row); then it takes p = softmax(other rows), a pitch or silence.
    Otherwise it goes on as it was: s_t = m_t p_t + (1 - m_t) s_(t-1). The roll is s below the onsets m (1 - silence).

    With "straight_through", m and p are rounded to 0 and 1, as in real rolls, and the gradient is that of the smooth
    ones (Bengio et al. 2013; for piano rolls Dong and Yang 2018, section 3.2); "gumbel" draws them besides, "softmax"
    leaves them smooth.

    Args:
        logits: of G.
        last: (N, V, 1 + pitches) of 0 and 1, the last step of the bar before.
        binarise: see above.
        generator: of the draws, on the logits' device; None: torch's own.
    """
    moves, rows = logits[:, :, :1].float(), logits[:, :, 1:].float()
    if binarise == "gumbel":
        moves = moves + gumbel(moves, generator) - gumbel(moves, generator)
        rows = rows + gumbel(rows, generator)
    moved, chosen = moves.sigmoid(), rows.softmax(2)
    if binarise != "softmax":
        hard = one_hot(rows.argmax(2), rows.shape[2]).movedim(-1, 2).float()
        moved, chosen = _straight_through((moves > 0).float(), moved), _straight_through(hard, chosen)
    steps = []
    for step in range(logits.shape[-1]):
        last = moved[..., step] * chosen[..., step] + (1 - moved[..., step]) * last
        steps.append(last)
    sounding = torch.stack(steps, dim=-1)
    return torch.cat([moved * (1 - sounding[:, :, :1]), sounding], dim=2)


def gumbel(like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draws of the standard Gumbel distribution, as many as ``like`` has."""
    uniform = torch.rand(like.shape, generator=generator, device=like.device)
    return -(-uniform.clamp(1e-9, 1 - 1e-7).log()).log()


def _straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    """The values of ``hard``, with the gradient of ``soft``."""
    return hard + (soft - soft.detach())
