"""Songs in four voices as texts, for language models."""

from typing import ClassVar

from leyden.data.columns import Texts
from leyden.data.issues import DataIssue
from leyden.data.source import Source
from leyden.data.source.music.columns import Songs
from leyden.data.source.music.notation import write_song
from leyden.data.source.music.score import REST
from leyden.data.source.music.song_source import SongSource
from leyden.data.splits import STAGES, InMemory, Stage


class SongTexts(Source):
    """Each song of a source of music as a text (``leyden.data.source.music.notation``), in that source's splits.

    Of a song whose whole bars do not all follow each other, each run of bars is a text.

    Args:
        music: the source of songs.

    Raises:
        ValueError: it is no source of songs.
    """

    produces: ClassVar[str] = "text"

    def __init__(self, music: SongSource) -> None:
        if not isinstance(music, SongSource):
            raise ValueError(f"data.source.music is {type(music).__name__}: set it to a source of songs, as chorales")
        self.music = music
        self.name = f"{music.name} as text"

    def prepare(self) -> None:
        """Reads the songs; raises as they do."""
        self.music.prepare()
        self.tally = self.music.tally

    def split(self, stage: Stage) -> InMemory[Texts]:
        """A text for each song."""
        songs = self.music.split(stage).columns
        return InMemory(Texts(song_texts(songs, self.music.steps)))

    def inspect(self) -> tuple[dict[Stage, InMemory[Texts]], list[DataIssue]]:  # type: ignore[override]
        """All splits, and the files that were left out."""
        self.prepare()
        return {stage: self.split(stage) for stage in STAGES}, self.music.issues


def song_texts(songs: Songs, steps: int) -> list[str]:
    """The texts of some songs, a text for each run of bars.

    Args:
        songs: whole.
        steps: of a bar.
    """
    texts = []
    for notes, onsets, bars in zip(songs.notes, songs.onsets, songs.bars, strict=True):
        places = bars.tolist()
        first = 0
        for number in range(1, len(places) + 1):
            if number == len(places) or places[number] != places[number - 1] + steps:
                begin, end = places[first], places[number - 1] + steps
                run = notes[:, begin:end]
                texts.append(write_song(run, onsets[:, begin:end] & (run > REST), steps))
                first = number
    return texts
