"""Major and minor triads: which of them a bar is about."""

import torch
from torch import Tensor

NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
"""Of the pitch classes."""
CHORDS = (*NAMES, *(f"{name}m" for name in NAMES))
"""The 24 triads: major on each pitch class, then minor."""
ROOT_WEIGHT = 0.5
"""What the root in the lowest voice counts besides: it decides between triads that share two pitches, C and Am."""


def chord_of(notes: Tensor) -> Tensor:
    """The triad that the most of a bar belongs to: (N,) int64, places in ``CHORDS``; 0 for a silent bar.

    Each voice counts in each step that it sounds in; the chord's root in the lowest voice counts ``ROOT_WEIGHT`` more.

    Args:
        notes: (N, V, T) int64 MIDI pitches, 0 for silence; the last voice is the lowest.
    """
    classes = pitch_classes(notes)  # (N, V, 12)
    weights = classes.sum(1)
    inside = weights @ templates().to(weights).T
    roots = classes[:, -1].repeat(1, 2)
    return (inside + ROOT_WEIGHT * roots).argmax(1)


def pitch_classes(notes: Tensor) -> Tensor:
    """Steps in which each voice sounds each pitch class: float32 (N, V, 12) of notes (N, V, T)."""
    classes = torch.arange(12, device=notes.device)
    return ((notes[..., None] % 12 == classes) & (notes[..., None] > 0)).sum(2).float()


def templates() -> Tensor:
    """The pitch classes of ``CHORDS``: float32 (24, 12), 1 for those that belong to it."""
    found = torch.zeros(24, 12)
    for number in range(24):
        third = 4 if number < 12 else 3
        found[number, [number % 12, (number + third) % 12, (number + 7) % 12]] = 1
    return found


def transposed_chord(chords: Tensor, semitones: Tensor | int) -> Tensor:
    """The chords (N,) moved up by some semitones, () or (N,)."""
    return chords // 12 * 12 + (chords % 12 + semitones) % 12
