"""Notes as planes that networks take, and back: a piano roll per voice with a row for silence and one for onsets."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

EXTRA = 2
"""Rows above the pitches: where a note begins, and silence."""

LARGEST = 12
"""Semitones of the largest interval of a voice that is told from others."""
WALK = 2 * LARGEST + 1
"""Intervals of a voice: from 12 semitones down, or more, to 12 up, or more."""

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


def rows_of_logits(voices: int, pitches: int) -> int:
    """Rows of each voice's logits: whether it moves, silence, pitches, its ``WALK``, 12 over each other voice."""
    return EXTRA + pitches + WALK + 12 * (voices - 1)


def activate(logits: Tensor, last: Tensor, binarise: Binarise, generator: torch.Generator | None = None) -> Tensor:
    """The roll (N, V, 2 + pitches, T) that G's logits stand for: notes are chosen one after the other.

    In each step a voice moves with m = sigmoid(first row); then it takes p = softmax(a + w + h), a pitch or silence.
    Otherwise it goes on as it was: s_t = m_t p_t + (1 - m_t) s_(t-1). The roll is s below the onsets m (1 - silence).
    a are the next rows, of silence and of each pitch. w are the rows of intervals from the voice's last note, and stand
    at the pitches that these lead to; h those of intervals, octaves apart the same, over each voice below, which has
    chosen before. So a note knows what was drawn before it, which the network, that makes all logits at once, cannot.

    With "straight_through", m and p are rounded to 0 and 1, as in real rolls, and the gradient is that of the smooth
    ones (Bengio et al. 2013; for piano rolls Dong and Yang 2018, section 3.2); "gumbel" draws them besides, "softmax"
    leaves them smooth, and the likeliest notes are those that w and h know. No gradient goes through what they know.

    Args:
        logits: (N, V, rows, T) of G, as many as ``rows_of_logits`` says.
        last: (N, V, 1 + pitches) of 0 and 1, the last step of the bar before.
        binarise: see above.
        generator: of the draws, on the logits' device; None: torch's own.
    """
    voices, places = last.shape[1:]
    moves, rows, walks, over = logits.float().split([1, places, WALK, 12 * (voices - 1)], dim=2)
    if binarise == "gumbel":
        moves = moves + gumbel(moves, generator) - gumbel(moves, generator)
        rows = rows + gumbel(rows, generator)
    moved = moves.sigmoid()
    if binarise != "softmax":
        moved = _straight_through((moves > 0).float(), moved)
    over = over.unflatten(2, (voices - 1, 12))
    steps = []
    for step in range(logits.shape[-1]):
        likely = rows[..., step] + walked(last.argmax(2), walks[..., step], places)
        sounding: list[Tensor] = []  # from the lowest voice up
        for voice in reversed(range(voices)):
            own = likely[:, voice]
            for below, other in enumerate(reversed(sounding)):
                own = own + stacked(other.argmax(1), over[:, voice, below, :, step], places)
            chosen = own.softmax(1)
            if binarise != "softmax":
                chosen = _straight_through(one_hot(own.argmax(1), places).float(), chosen)
            moves_now = moved[:, voice, :, step]
            sounding.append(moves_now * chosen + (1 - moves_now) * last[:, voice])
        last = torch.stack(sounding[::-1], dim=1)
        steps.append(last)
    sounds = torch.stack(steps, dim=-1)
    return torch.cat([moved * (1 - sounds[:, :, :1]), sounds], dim=2)


def walked(last: Tensor, walks: Tensor, places: int) -> Tensor:
    """What intervals from the last note say of silence and each pitch: (N, V, places); 0 of silence and behind it.

    Args:
        last: (N, V) the place that sounded: 0 for silence, then the pitches.
        walks: (N, V, ``WALK``) of intervals; larger ones have the value at the ends.
        places: 1 + pitches.
    """
    intervals = torch.arange(places, device=last.device) - last.unsqueeze(-1)
    found = walks.gather(2, intervals.clamp(-LARGEST, LARGEST) + LARGEST)
    return found * _sounds(last, places)


def stacked(below: Tensor, over: Tensor, places: int) -> Tensor:
    """What intervals over a lower voice say of silence and each pitch: (N, places); 0 of silence and over it.

    Args:
        below: (N,) the place at which the lower voice is: 0 for silence, then the pitches.
        over: (N, 12) of intervals, octaves apart the same.
        places: 1 + pitches.
    """
    intervals = torch.arange(places, device=below.device) - below.unsqueeze(-1)
    return over.gather(1, intervals % 12) * _sounds(below, places)


def _sounds(known: Tensor, places: int) -> Tensor:
    """1 where both the known place (...) and one of the ``places`` are pitches: (..., places)."""
    return ((known.unsqueeze(-1) > 0) & (torch.arange(places, device=known.device) > 0)).float()


def gumbel(like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draws of the standard Gumbel distribution, as many as ``like`` has."""
    uniform = torch.rand(like.shape, generator=generator, device=like.device)
    return -(-uniform.clamp(1e-9, 1 - 1e-7).log()).log()


def _straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    """The values of ``hard``, with the gradient of ``soft``."""
    return hard + (soft - soft.detach())
