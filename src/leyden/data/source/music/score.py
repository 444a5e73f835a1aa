"""What is read of a file with music, and how its notes come onto a grid of sixteenths."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

PER_QUARTER = 4
"""Steps of the grid in a quarter note: sixteenths."""
LOWEST, PITCHES = 36, 48
"""MIDI pitches 36 (C2) to 83 (B5), which hold chorales in C major and A minor; others are moved by octaves."""
MIDDLE = 60
"""MIDI pitch near which a song's mean is put: 60 is C4."""
VOICES = 4
REST = 0
"""Where a voice is silent."""
MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)
"""Pitch classes of C major, and of A minor."""


class Note(NamedTuple):
    """A note; times in quarter notes from the begin of the song."""

    start: float
    end: float
    pitch: int
    """MIDI number."""


class Bar(NamedTuple):
    """A bar; times in quarter notes."""

    start: float
    length: float
    time: str
    """The time signature that holds, such as "4/4"."""


class Score(NamedTuple):
    """A song as it stands in a file."""

    title: str
    parts: dict[str, list[Note]]
    """By their names, in the file's order."""
    bars: list[Bar]
    fifths: int | None
    """Sharps (above 0) or flats (below 0) of the first key signature; None where there is none."""


class Song(NamedTuple):
    """A song on the grid."""

    title: str
    notes: Tensor
    """(4, T) int64 MIDI pitches that sound, from the highest voice to the lowest; ``REST`` where one is silent."""
    onsets: Tensor
    """(4, T) bool, where a note begins; at other places the one before goes on."""
    bars: Tensor
    """(B,) int64, steps at which whole bars of the wanted time signature begin."""


def shift_to_common_key(pitches: Sequence[int], fifths: int | None) -> int:
    """Semitones by which a song comes to C major or A minor, with its mean pitch as near as can be to C4.

    Args:
        pitches: of all its notes.
        fifths: of its key signature; None takes the shift that brings most notes into the scale.
    """
    if fifths is None:
        inside = [sum((pitch + shift) % 12 in MAJOR_SCALE for pitch in pitches) for shift in range(12)]
        shift = inside.index(max(inside))
    else:
        shift = -7 * fifths % 12
    mean = sum(pitches) / len(pitches)
    return min((shift - 12, shift), key=lambda way: abs(mean + way - MIDDLE))


def into_range(pitch: int) -> int:
    """The pitch itself, or moved by octaves so far that it is among those that are known."""
    return LOWEST + (pitch - LOWEST) % 12 if pitch < LOWEST else _from_above(pitch)


def _from_above(pitch: int) -> int:
    highest = LOWEST + PITCHES - 1
    return pitch if pitch <= highest else highest - (highest - pitch) % 12


def on_grid(voice: Sequence[Note], steps: int) -> tuple[Tensor, Tensor]:
    """A voice on the grid: pitches (T,) int64 and onsets (T,) bool.

    Bounds are rounded to the nearest step; a note that has none is left out, and of two at a time the later one sounds.
    """
    notes, onsets = torch.zeros(steps, dtype=torch.int64), torch.zeros(steps, dtype=torch.bool)
    for note in sorted(voice):
        start, end = round(note.start * PER_QUARTER), min(steps, round(note.end * PER_QUARTER))
        if start < end:
            notes[start:end], onsets[start], onsets[start + 1 : end] = note.pitch, True, False
    return notes, onsets


def four_voices(parts: Sequence[Sequence[Note]], steps: int) -> tuple[Tensor, Tensor]:
    """Four voices out of parts: pitches (4, T) int64 and onsets (4, T) bool, from the highest to the lowest.

    Of four parts each is a voice, in the order of their mean pitches. Of another number the highest pitch that sounds
    in a step is the first voice's, the lowest the last one's, and the two below the highest are between them.
    """
    if len(parts) == 4:
        order = sorted(parts, key=lambda part: -sum(note.pitch for note in part) / len(part))
        grids = [on_grid(part, steps) for part in order]
        return torch.stack([notes for notes, _ in grids]), torch.stack([onsets for _, onsets in grids])
    sounding: list[dict[int, bool]] = [{} for _ in range(steps)]
    for note in sorted(note for part in parts for note in part):
        start = round(note.start * PER_QUARTER)
        for step in range(start, min(steps, round(note.end * PER_QUARTER))):
            sounding[step][note.pitch] = sounding[step].get(note.pitch, False) or step == start
    notes, onsets = torch.zeros(4, steps, dtype=torch.int64), torch.zeros(4, steps, dtype=torch.bool)
    for step, pitches in enumerate(sounding):
        high = sorted(pitches, reverse=True)
        chosen = dict(zip((0, 3), (high[0], high[-1]), strict=True)) if len(high) > 1 else dict(enumerate(high))
        chosen |= dict(zip((1, 2), high[1:-1], strict=False))
        for voice, pitch in chosen.items():
            notes[voice, step] = pitch
            onsets[voice, step] = pitches[pitch] or step == 0 or notes[voice, step - 1] != pitch
    return notes, onsets


def song_of(score: Score, parts: Sequence[Sequence[Note]], time: str, common_key: bool) -> Song:
    """A song of some parts of a score; see ``Song``.

    Args:
        score: as read.
        parts: those of the voices, each with a note or more.
        time: the time signature of the bars that are wanted; those of another length than it says are passed over, and
            those in which no voice sounds.
        common_key: brings it to C major or A minor.
    """
    steps = round(max(note.end for part in parts for note in part) * PER_QUARTER)
    notes, onsets = four_voices(parts, steps)
    shift = 0
    if common_key:
        shift = shift_to_common_key([note.pitch for part in parts for note in part], score.fifths)
    sounding = notes > REST
    moved = torch.tensor([into_range(pitch) for pitch in (notes[sounding] + shift).tolist()], dtype=torch.int64)
    notes[sounding] = moved
    length = bar_steps(time)
    starts = [
        start
        for start in whole_bars(score.bars, time)
        if start + length <= steps and notes[:, start : start + length].any()
    ]
    return Song(score.title, notes, onsets, torch.tensor(starts, dtype=torch.int64))


def whole_bars(bars: Sequence[Bar], time: str) -> list[int]:
    """The steps at which bars of a time signature begin; incomplete ones are passed over.

    Two that follow each other and make a whole one together, as where a repeated phrase begins with an upbeat, are one.

    Args:
        bars: of the score.
        time: the time signature.
    """
    length, found = bar_steps(time) / PER_QUARTER, []
    begun: Bar | None = None
    for bar in bars:
        if bar.time != time or (bar.start * PER_QUARTER) % 1:
            begun = None
        elif bar.length == length:
            found.append(bar.start)
            begun = None
        elif begun is not None and begun.length + bar.length == length:
            found.append(begun.start)
            begun = None
        else:
            begun = bar
    return [round(start * PER_QUARTER) for start in found]


def bar_steps(time: str) -> int:
    """Steps of a bar of a time signature, such as 16 of "4/4".

    Raises:
        ValueError: no time signature, or one whose bars are no whole number of sixteenths.
    """
    beats, _, unit = time.partition("/")
    if not (beats.isdecimal() and unit.isdecimal() and int(beats) and int(unit)) or int(beats) * 16 % int(unit):
        raise ValueError(f"data.source.time={time}: a time signature such as 4/4 or 3/4")
    return int(beats) * 16 // int(unit)
