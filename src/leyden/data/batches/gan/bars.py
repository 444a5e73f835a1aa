"""Bars of songs, each with the bar before it and its chord, for generators of music."""

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor

from leyden.data.module import DataModule
from leyden.data.source.music.chords import CHORDS, chord_of, transposed_chord
from leyden.data.source.music.columns import Bars, Songs
from leyden.data.source.music.score import LOWEST, PITCHES, REST, into_range
from leyden.data.source.music.song_source import SongSource
from leyden.data.specs import BarSpec
from leyden.data.splits import InMemory, Stage

BEGIN = len(CHORDS)
"""The row of ``chord_counts`` for a song's first bar."""


class SongBars(DataModule):
    """Batches of ``Bars``, song after song, bar after bar; songs are split, not bars.

    Args:
        source: of songs.
        transpose: training bars are moved up or down by up to so many semitones, drawn anew each time; 0: as they are.
        batch_size: training bars per step and device.
        eval_batch_size: bars per validation or test batch.
        seed: of the order and the transposition.

    Raises:
        ValueError: the source has no songs, or ``transpose`` is outside 0..11.
    """

    consumes: ClassVar[str] = "music"
    source: SongSource

    def __init__(
        self,
        source: SongSource,
        transpose: int = 0,
        batch_size: int = 64,
        eval_batch_size: int = 256,
        seed: int = 0,
    ) -> None:
        super().__init__(source, batch_size, eval_batch_size, 0, seed)
        if not 0 <= transpose < 12:
            raise ValueError(f"data.transpose={transpose}: should be 0 to 11 semitones")
        if transpose:
            self.augment = Transpose(transpose)

    @property
    def spec(self) -> BarSpec:
        """What the model must know."""
        columns = self.whole("train")
        before = torch.where((columns.notes_before > REST).any((1, 2)), chord_of(columns.notes_before), BEGIN)
        pairs = torch.bincount(before * BEGIN + columns.chords, minlength=(BEGIN + 1) * BEGIN)
        return BarSpec(
            class_names=list(CHORDS),
            steps=self.source.steps,
            lowest=LOWEST,
            pitches=PITCHES,
            chord_counts=pairs.view(BEGIN + 1, BEGIN).tolist(),
        )

    def examples(self, stage: Stage) -> InMemory[Bars]:
        """All bars of a split's songs."""
        return InMemory(bars_of(self.source.split(stage).columns, self.source.steps))

    def whole(self, stage: Stage) -> Bars:
        """All columns of a split at once."""
        split = self.split(stage)
        assert isinstance(split, InMemory)
        columns: Bars = split.columns
        return columns

    def phrases(self, stage: Stage, bars: int) -> tuple[Tensor, Tensor]:
        """So many bars in a row, side by side: pitches (N, 4, bars * T) int64 and onsets of the same shape.

        Raises:
            ValueError: no song of the split has so many.
        """
        found = list(phrases_of(self.source.split(stage).columns, self.source.steps, bars))
        if not found:
            raise ValueError(
                f"{self.source.name}: no song of {stage} has {bars} bars in a row: set model.bars to fewer"
            )
        return torch.stack([notes for notes, _ in found]), torch.stack([onsets for _, onsets in found])


class Transpose:
    """Moves all notes of an example by the same number of semitones, and its chords with them.

    Args:
        most: semitones up or down; all are equally likely.
    """

    draws = 1

    def __init__(self, most: int) -> None:
        self.most = most

    def __call__(self, batch: Bars, u: Tensor) -> Bars:
        """Bars moved by what ``u`` (B, 1) says; pitches that leave the range come in an octave away."""
        semitones = (u[:, 0] * (2 * self.most + 1)).long() - self.most
        octaves = torch.tensor([into_range(pitch) for pitch in range(128 + 24)], device=u.device)

        def moved(notes: Tensor) -> Tensor:
            return torch.where(notes > REST, octaves[notes + semitones[:, None, None]], notes)

        return batch._replace(
            notes=moved(batch.notes),
            notes_before=moved(batch.notes_before),
            chords=transposed_chord(batch.chords, semitones),
        )


def bars_of(songs: Songs, steps: int) -> Bars:
    """Every bar of some songs, with the one before it, which is silent where a song begins or other bars lie between.

    Args:
        songs: whole.
        steps: of a bar.
    """
    notes, onsets, notes_before, onsets_before = [], [], [], []
    for pitches, begun, places in zip(songs.notes, songs.onsets, songs.bars, strict=True):
        for number, place in enumerate(places.tolist()):
            notes.append(pitches[:, place : place + steps])
            onsets.append(first_sounds(begun[:, place : place + steps], notes[-1]))
            follows = number > 0 and int(places[number - 1]) == place - steps
            notes_before.append(notes[-2] if follows else torch.zeros_like(notes[-1]))
            onsets_before.append(onsets[-2] if follows else torch.zeros_like(onsets[-1]))
    stacked = torch.stack(notes)
    return Bars(stacked, torch.stack(onsets), torch.stack(notes_before), torch.stack(onsets_before), chord_of(stacked))


def first_sounds(onsets: Tensor, notes: Tensor) -> Tensor:
    """Onsets as they are: a note that is held over the bar line begins in the bar before."""
    return onsets & (notes > REST)


def phrases_of(songs: Songs, steps: int, bars: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Pitches and onsets (4, bars * steps) of passages of so many bars in a row, that do not overlap."""
    for pitches, begun, places in zip(songs.notes, songs.onsets, songs.bars, strict=True):
        number, starts = 0, places.tolist()
        while number + bars <= len(starts):
            begin, end = starts[number], starts[number + bars - 1] + steps
            if end - begin == bars * steps:
                yield pitches[:, begin:end], begun[:, begin:end] & (pitches[:, begin:end] > REST)
                number += bars
            else:
                number += 1
