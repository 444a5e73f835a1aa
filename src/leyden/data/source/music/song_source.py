"""What sources of songs share: reading, one key for all, and splits that no melody has a song of in two."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from leyden.core.splits import by_name
from leyden.data.issues import DataIssue
from leyden.data.source import Source
from leyden.data.source.music.columns import Songs
from leyden.data.source.music.score import REST, Song, bar_steps
from leyden.data.splits import STAGES, InMemory, Stage

FRACTIONS = (0.75, 0.1, 0.15)
"""Of the melodies: training, validation, test."""
BEAT = 4
"""Steps between the notes of a melody that are compared: a quarter."""
WINDOW = 12
"""Beats that two songs share if they have the same melody. Among Bach's chorales 12 bring together what hymn books call
one melody and nothing else; with 10, half of them hang together by common turns."""
DISTINCT = 4
"""Pitch classes or more of such a passage: held notes and repeated ones say nothing."""


class SongSource(Source):
    """Songs in four voices on a grid of sixteenths; a child reads them in ``read``.

    Whole songs are divided 75 / 10 / 15 %, those with the same melody together. A melody is the highest voice's pitch
    class on each beat; two songs have the same if they share ``WINDOW`` beats in a row.

    Args:
        name: how log lines and errors call it.
        time: the time signature of the bars that are wanted; songs without such a bar are left out.
        key: "common": all songs in C major or A minor; "own": as they stand in the files.
        songs: so many of the files at most, spread evenly; None: all.

    Raises:
        ValueError: no time signature or key, or fewer than 3 songs.
    """

    produces: ClassVar[str] = "music"

    def __init__(self, name: str, time: str = "4/4", key: str = "common", songs: int | None = None) -> None:
        self.steps = bar_steps(time)
        if key not in ("common", "own"):
            raise ValueError(f"data.source.key={key}: common (C major or A minor) or own")
        if songs is not None and songs < 3:
            raise ValueError(f"data.source.songs={songs}: should be 3 or more, or null for all")
        self.name, self.time, self.key, self.count = name, time, key, songs
        self.issues: list[DataIssue] = []
        self._splits: dict[Stage, Songs] = {}

    @abstractmethod
    def files(self) -> list[Path]:
        """All files, sorted.

        Raises:
            FileNotFoundError: there are none; the message names the cure.
        """

    @abstractmethod
    def read(self, file: Path) -> Song | None:
        """A song, or None, with an issue in ``issues``, where a file does not hold four voices.

        Raises:
            ValueError: the file cannot be read; the message says where.
        """

    def prepare(self) -> None:
        """Reads all songs.

        Raises:
            FileNotFoundError, ValueError: as in ``files`` and ``read``; or there are fewer than three melodies.
        """
        if self._splits:
            return
        self.issues = []
        songs = [song for song in self._songs() if len(song.bars)]
        groups = melodies(songs)
        if len(groups) < len(STAGES):
            raise ValueError(
                f"{self.name} has {len(songs)} songs with bars of {self.time} and {len(groups)} melodies among them; "
                "three are needed, so that none is in two splits: add songs, or set data.source.time"
            )
        parts = by_name([songs[group[0]].title for group in groups], FRACTIONS)
        for stage, chosen in zip(STAGES, parts, strict=True):
            kept = [songs[i] for number in chosen for i in groups[number]]
            self._splits[stage] = Songs(*(list(column) for column in zip(*kept, strict=True)))

    def split(self, stage: Stage) -> InMemory[Songs]:
        """Titles, notes, onsets and the places of bars, a list each."""
        self.prepare()
        return InMemory(self._splits[stage])

    def inspect(self) -> tuple[dict[Stage, InMemory[Songs]], list[DataIssue]]:  # type: ignore[override]
        """All splits, and the files that were left out."""
        self.prepare()
        return {stage: self.split(stage) for stage in STAGES}, self.issues

    def leave_out(self, file: Path, kind: str, what: str) -> None:
        """Counts a file that is not read, for the log and check-data."""
        self.issues.append(DataIssue(kind, "left out", file, None, what))
        self.tally.add(f"{kind}, left out", file)

    def _songs(self) -> Iterator[Song]:
        files = self.files()
        if self.count is not None and self.count < len(files):
            files = [files[i * len(files) // self.count] for i in range(self.count)]
        for file in files:
            song = self.read(file)
            if song is not None and not len(song.bars):
                self.leave_out(file, f"no bar of {self.time}", f"has no whole bar of {self.time}")
            elif song is not None:
                yield song


def melodies(songs: Sequence[Song]) -> list[list[int]]:
    """Which songs have the same melody, directly or through others: their numbers, group by group, in order."""
    group = list(range(len(songs)))
    first: dict[tuple[int, ...], int] = {}

    def root(number: int) -> int:
        while group[number] != number:
            number = group[number]
        return number

    for number, song in enumerate(songs):
        for passage in passages(song):
            same, own = root(first.setdefault(passage, number)), root(number)
            group[max(same, own)] = min(same, own)
    found: dict[int, list[int]] = {}
    for number in range(len(songs)):
        found.setdefault(root(number), []).append(number)
    return list(found.values())


def passages(song: Song) -> Iterator[tuple[int, ...]]:
    """The melody's passages of ``WINDOW`` beats from the first whole bar on, as steps away from the first pitch class.

    As they are relative, a melody is the same in all keys.
    """
    melody: Tensor = song.notes[0, int(song.bars[0]) :: BEAT]
    beats = [int(pitch) if pitch > REST else None for pitch in melody]
    for start in range(len(beats) - WINDOW + 1):
        passage = beats[start : start + WINDOW]
        if None not in passage and len({p % 12 for p in passage if p is not None}) >= DISTINCT:
            yield tuple((p - passage[0]) % 12 for p in passage)  # type: ignore[operator]
