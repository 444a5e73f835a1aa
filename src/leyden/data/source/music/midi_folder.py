"""A folder of MIDI files as songs in four voices."""

from pathlib import Path

from leyden.data.source.music.midi import read_midi
from leyden.data.source.music.score import Song, song_of
from leyden.data.source.music.song_source import SongSource


class MidiFolder(SongSource):
    """MIDI files (``.mid``, ``.midi``) of a folder and those below it, each a song.

    Of a file with four tracks (or channels) with notes each is a voice. Of another number the highest pitch at a time
    is the first voice's and the lowest the last one's, those below the highest are between; what sounds besides is left
    out, and so are drums.

    Args:
        root: that holds the files.
        time: the time signature of the bars that are wanted; files without one count as 4/4.
        key: "common": all songs in C major or A minor, by the key signature, or, where there is none or C major's, by
            the notes; "own": as they stand in the files.
        songs: so many files, spread evenly; None: all.

    Raises:
        ValueError: see ``SongSource``.
    """

    def __init__(self, root: str, time: str = "4/4", key: str = "common", songs: int | None = None) -> None:
        self.root = Path(root).expanduser()
        super().__init__(self.root.name, time, key, songs)

    def files(self) -> list[Path]:
        """All MIDI files, sorted.

        Raises:
            FileNotFoundError: there are none.
        """
        found = sorted(file for file in self.root.rglob("*") if file.suffix.lower() in (".mid", ".midi"))
        if not found:
            raise FileNotFoundError(
                f"{self.root} holds no .mid files (looked from {Path.cwd()}): set data.source.root to a folder "
                "with MIDI files"
            )
        return found

    def read(self, file: Path) -> Song | None:
        """The song of a file; one that is no MIDI is left out."""
        try:
            score = read_midi(file)
        except ValueError as error:
            self.leave_out(file, "unusable file", str(error).removeprefix(f"{file}: "))
            return None
        # Programs write C major where nobody said a key.
        score = score._replace(title=str(file.relative_to(self.root)), fifths=score.fifths or None)
        return song_of(score, list(score.parts.values()), self.time, self.key == "common")
