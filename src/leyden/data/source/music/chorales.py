"""Bach's chorales inside the package music21, in four voices."""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from leyden.data.source.music.musicxml import read_musicxml
from leyden.data.source.music.score import Score, Song, song_of
from leyden.data.source.music.song_source import SongSource

VOICES = ("soprano", "alto", "tenor", "bass")


class Chorales(SongSource):
    """The 408 chorales by J. S. Bach that music21 holds as MusicXML; their soprano, alto, tenor and bass.

    Instruments that play besides are left out, and so are chorales without those four voices. 363 have bars of 4/4.

    Args:
        time: the time signature of the bars that are wanted; chorales without such a bar are left out.
        key: "common": all in C major or A minor (modes by their key signatures); "own": as Bach wrote them.
        songs: so many of the 408, spread evenly.

    Raises:
        ImportError: music21 is not installed.
        ValueError: see ``SongSource``.
    """

    def __init__(self, time: str = "4/4", key: str = "common", songs: int = 408) -> None:
        super().__init__("chorales", time, key, songs)

    def files(self) -> list[Path]:
        """The chorales' files.

        Raises:
            ImportError: music21 is not installed.
        """
        found = find_spec("music21")  # not imported: its files are all that is needed
        if found is None or not found.submodule_search_locations:
            raise ImportError(
                "data/source=chorales is inside the package music21: pip install 'leyden[music]'; or take MIDI files "
                "of your own, data/source=midi_folder"
            )
        return sorted((Path(found.submodule_search_locations[0]) / "corpus" / "bach").glob("*.mxl"))

    def read(self, file: Path) -> Song | None:
        """The four voices of a chorale."""
        score = _read(file)
        voices = []
        for voice in VOICES:
            named = [notes for name, notes in score.parts.items() if name.lower().startswith(voice) and notes]
            if not named:
                self.leave_out(file, "not in four voices", f"has no part {voice} among {', '.join(score.parts)}")
                return None
            voices.append(named[0])
        return song_of(score._replace(title=file.stem), voices, self.time, self.key == "common")


@lru_cache(512)  # four seconds for all, once in a process
def _read(file: Path) -> Score:
    return read_musicxml(file)
