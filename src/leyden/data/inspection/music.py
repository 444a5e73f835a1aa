"""A look at every song of a source of music: bars, voices and pitches, silent voices, and bars of two splits."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from leyden.data.issues import DataIssue
from leyden.data.source import Source
from leyden.data.splits import Split, Stage


@dataclass(frozen=True)
class MusicInspection:
    """What was seen."""

    splits: dict[Stage, Split]
    bars: dict[Stage, Tensor]
    """(songs,) int64, whole bars of each song."""
    known: dict[Stage, int]
    """Bars that are, note for note, also in an earlier split."""
    pitches: dict[Stage, Tensor]
    """(4, 2) int64, the lowest and the highest MIDI pitch of each voice."""
    issues: list[DataIssue]


def inspect_music(source: Source) -> MusicInspection:
    """Looks at every song once.

    Args:
        source: of songs.

    Raises:
        FileNotFoundError, ValueError: what the source raises as it reads.
    """
    splits, issues = source.inspect()
    issues = list(issues)
    bars, known, pitches = {}, {}, {}
    seen: set[bytes] = set()
    for stage, split in splits.items():
        songs = [split[number] for number in range(len(split))]
        bars[stage] = torch.tensor([len(song.bars) for song in songs])
        own = [bar for song in songs for bar in _bars(song.notes, song.bars)]
        known[stage] = sum(bar in seen for bar in own)
        seen |= set(own)
        pitches[stage] = torch.stack([_range(torch.cat([song.notes[v] for song in songs])) for v in range(4)])
        for song in songs:
            if silent := [number for number, voice in enumerate(song.notes, 1) if not voice.any()]:
                what = f"voice {', '.join(map(str, silent))} of 4 is silent all through"
                issues.append(DataIssue("silent voice", "warning", Path(song.titles), None, what))
    return MusicInspection(splits, bars, known, pitches, issues)


def _bars(notes: Tensor, places: Tensor) -> list[bytes]:
    """The notes of each bar; none of a song of one bar, whose length nothing tells."""
    starts = places.tolist()
    steps = min((after - before for before, after in pairwise(starts)), default=0)
    return [notes[:, start : start + steps].numpy().tobytes() for start in starts] if steps else []


def _range(pitches: Tensor) -> Tensor:
    sounding = pitches[pitches > 0]
    if not len(sounding):
        return torch.zeros(2, dtype=torch.int64)
    return torch.stack([sounding.min(), sounding.max()])
