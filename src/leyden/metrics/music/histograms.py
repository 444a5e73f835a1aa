"""Histograms of songs in four voices on a grid, their distances, and what these are of other music.

Pitches are int64 (N, V, T) MIDI numbers, from the highest voice to the lowest, 0 for silence; onsets are bool of the
same shape. A histogram sums to 1, or to 0 where there is nothing to count.
"""

from itertools import combinations
from statistics import fmean

import torch
from torch import Tensor

from leyden.data.source.music.chords import pitch_classes

LARGEST = 12
"""Semitones of the largest melodic interval that is told from others."""


def pitch_class_histogram(notes: Tensor) -> Tensor:
    """How long each of the 12 pitch classes sounds, all voices together: (12,)."""
    return _shares(pitch_classes(notes).sum((0, 1)))


def melodic_histogram(notes: Tensor, onsets: Tensor) -> Tensor:
    """Intervals from each note of a voice to its next: (25,), -12 to 12 semitones, larger ones at the ends."""
    counts = torch.zeros(2 * LARGEST + 1)
    for voice, begun in zip(notes.flatten(0, 1), (onsets & (notes > 0)).flatten(0, 1), strict=True):
        counts += _count_intervals(voice[begun].diff())
    return _shares(counts)


def bar_line_histogram(notes: Tensor, steps: int) -> Tensor:
    """Intervals of each voice from the last step of a bar to the first of the next: (25,); shuffled bars change it.

    Args:
        notes: (N, V, bars * steps).
        steps: of a bar.
    """
    last, first = notes[..., steps - 1 : -1 : steps], notes[..., steps::steps]
    both = (last > 0) & (first > 0)
    return _shares(_count_intervals((first - last)[both]))


def harmonic_histogram(notes: Tensor) -> Tensor:
    """Intervals of all pairs of voices in each step, octaves apart the same: (12,)."""
    counts = torch.zeros(12)
    for high, low in combinations(range(notes.shape[1]), 2):
        both = (notes[:, high] > 0) & (notes[:, low] > 0)
        intervals = (notes[:, high] - notes[:, low])[both] % 12
        counts += intervals.bincount(minlength=12).cpu()
    return _shares(counts)


def total_variation(p: Tensor, q: Tensor) -> float:
    """Half the sum of |p - q| of two histograms: 0 where they are the same, 1 where they share nothing."""
    return (p - q).abs().sum().item() / 2


def song_distances(notes: Tensor, onsets: Tensor, real: Tensor, real_onsets: Tensor, steps: int) -> dict[str, float]:
    """Total variation of some passages' histograms from those of real ones.

    Args:
        notes: (N, V, T) of the passages.
        onsets: (N, V, T).
        real: (M, V, T').
        real_onsets: (M, V, T').
        steps: of a bar, which divides T and T'.

    Returns:
        ``pitch_class``, ``melodic``, ``harmonic``, ``bar_line``, and ``distance``, their mean.
    """
    found = {
        "pitch_class": total_variation(pitch_class_histogram(notes), pitch_class_histogram(real)),
        "melodic": total_variation(melodic_histogram(notes, onsets), melodic_histogram(real, real_onsets)),
        "harmonic": total_variation(harmonic_histogram(notes), harmonic_histogram(real)),
        "bar_line": total_variation(bar_line_histogram(notes, steps), bar_line_histogram(real, steps)),
    }
    return found | {"distance": fmean(found.values())}


def worse_and_floor(
    real: Tensor, real_onsets: Tensor, train: Tensor, train_onsets: Tensor, steps: int
) -> dict[str, float]:
    """Distances to real passages (N, V, T) of three others, by the endings of their names.

    ``_train`` are those of the training, the floor; ``_random`` notes with its pitches in no order; ``_shuffled`` its
    bars in no order.
    """
    others = {
        "train": (train, train_onsets),
        "random": random_notes(train, len(train), train.shape[-1] // 4 * 4),
        "shuffled": shuffled_bars(train, train_onsets, steps),
    }
    return {
        f"{name}_{other}": value
        for other, passages in others.items()
        for name, value in song_distances(*passages, real, real_onsets, steps).items()
    }


def random_notes(notes: Tensor, count: int, length: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Notes with the pitches of each voice as often as they are in real music, in no order, each a quarter long.

    Args:
        notes: (N, V, T) of real music.
        count: passages.
        length: steps of each, a multiple of 4.

    Returns:
        Pitches (count, V, length) and onsets of the same shape.
    """
    generator = torch.Generator().manual_seed(seed)
    voices = notes.transpose(0, 1).flatten(1)
    drawn = torch.randint(voices.shape[1], (voices.shape[0], count * length // 4), generator=generator)
    pitches = voices.gather(1, drawn).view(-1, count, length // 4).transpose(0, 1).repeat_interleave(4, -1)
    onsets = torch.zeros_like(pitches, dtype=torch.bool)
    onsets[..., ::4] = True
    return pitches, onsets & (pitches > 0)


def shuffled_bars(notes: Tensor, onsets: Tensor, steps: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """The same bars of real music in no order: pitches and onsets of the shape (N, V, bars * steps) that came in."""
    count, voices, length = notes.shape
    order = torch.randperm(count * length // steps, generator=torch.Generator().manual_seed(seed))

    def shuffled(values: Tensor) -> Tensor:
        bars = values.view(count, voices, -1, steps).transpose(1, 2).flatten(0, 1)[order]
        return bars.view(count, -1, voices, steps).transpose(1, 2).flatten(2)

    return shuffled(notes), shuffled(onsets)


def _count_intervals(intervals: Tensor) -> Tensor:
    return (intervals.clamp(-LARGEST, LARGEST) + LARGEST).bincount(minlength=2 * LARGEST + 1).float().cpu()


def _shares(counts: Tensor) -> Tensor:
    return counts.cpu() / counts.sum().clamp(min=1).cpu()
