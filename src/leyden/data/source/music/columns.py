"""Named columns of songs and of bars, see ``leyden.data.columns``."""

from typing import NamedTuple

from torch import Tensor


class Songs(NamedTuple):
    """Songs in four voices on a grid of sixteenths, each of its own length T; see ``data.source.music.score``."""

    titles: list[str]
    """B strings."""
    notes: list[Tensor]
    """(4, T) int64 MIDI pitches that sound, from the highest voice to the lowest; 0: silence."""
    onsets: list[Tensor]
    """(4, T) bool, where a note begins."""
    bars: list[Tensor]
    """(bars,) int64, steps at which whole bars begin."""


class Bars(NamedTuple):
    """Bars of songs in four voices on a grid of T sixteenths, each with the bar before it and its chord."""

    notes: Tensor
    """(B, 4, T) int64 MIDI pitches that sound, from the highest voice to the lowest; 0: silence."""
    onsets: Tensor
    """(B, 4, T) bool, where a note begins."""
    notes_before: Tensor
    """(B, 4, T) int64, of the bar before; all silent at a song's begin."""
    onsets_before: Tensor
    """(B, 4, T) bool."""
    chords: Tensor
    """(B,) int64, places in ``leyden.data.source.music.chords.CHORDS``."""
