"""Scores of MusicXML, compressed (.mxl) or not: what notes sound when, in which bars.

A reader of its own: music21's, which reads everything that there is in a score, takes 23 seconds for the chorales,
this one four (``tests/benchmarks/music.py``). A test holds its notes against those of music21.
"""

import zipfile
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from leyden.data.source.music.score import Bar, Note, Score

STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def read_musicxml(file: Path) -> Score:
    """A score with all its parts; repeats are read once.

    Raises:
        ValueError: the file holds no MusicXML.
    """
    try:
        root = ElementTree.fromstring(_content(file))
    except (ElementTree.ParseError, zipfile.BadZipFile, KeyError, StopIteration) as error:
        raise ValueError(f"{file}: no MusicXML ({error or 'no score inside'}): export the score again") from error
    names = {part.get("id"): (part.findtext("part-name") or "").strip() for part in root.iter("score-part")}
    read = [(names.get(part.get("id")) or f"part {i}", _Part(part)) for i, part in enumerate(root.iter("part"), 1)]
    if not read:
        raise ValueError(f"{file}: no part is inside: export the score again")
    lengths = [max(bars) for bars in zip(*(part.lengths for _, part in read), strict=False)]
    starts = [sum(lengths[:i]) for i in range(len(lengths))]
    first = read[0][1]
    bars = [Bar(*bar) for bar in zip(starts, lengths, first.times, strict=False)]
    parts: dict[str, list[Note]] = {}
    for name, part in read:
        parts[name if name not in parts else f"{name} {len(parts) + 1}"] = part.tied(starts)
    return Score(_title(root) or file.stem, parts, bars, first.fifths)


def _content(file: Path) -> bytes:
    if file.suffix.lower() != ".mxl":
        return file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        container = ElementTree.fromstring(archive.read("META-INF/container.xml"))
        return archive.read(next(container.iter("rootfile")).attrib["full-path"])


def _title(root: Element) -> str:
    found = root.findtext("work/work-title") or root.findtext("movement-title") or ""
    return "" if found.endswith((".mxl", ".xml")) else found.strip()


class _Part:
    """The notes of one part, measure by measure.

    Of several voices in a part the first is read, of several notes at a time the one that is written first.
    """

    def __init__(self, part: Element) -> None:
        self.lengths: list[float] = []
        """Of its measures, in quarter notes."""
        self.times: list[str] = []
        self.fifths: int | None = None
        self._notes: list[tuple[int, float, float, int, bool]] = []
        self._divisions, self._time, self._transpose = 1.0, "4/4", 0
        self._voice: str | None = None
        for number, measure in enumerate(part.iter("measure")):
            self._read(number, measure)

    def tied(self, starts: list[float]) -> list[Note]:
        """All notes, ties joined; ``starts`` are those of the measures, in quarter notes."""
        notes: list[Note] = []
        for measure, start, duration, pitch, goes_on in self._notes:
            begin = starts[measure] + start
            if goes_on and notes and notes[-1].pitch == pitch and abs(notes[-1].end - begin) < 1e-6:
                notes[-1] = notes[-1]._replace(end=begin + duration)
            else:
                notes.append(Note(begin, begin + duration, pitch))
        return notes

    def _read(self, number: int, measure: Element) -> None:
        place = furthest = 0.0
        for element in measure:
            duration = float(element.findtext("duration") or 0) / self._divisions
            if element.tag == "attributes":
                self._attributes(element)
            elif element.tag == "backup":
                place -= duration
            elif element.tag == "forward":
                place += duration
            elif element.tag == "note" and element.find("chord") is None:
                self._note(number, place, duration, element)
                place += duration
            furthest = max(furthest, place)
        self.lengths.append(furthest)
        self.times.append(self._time)

    def _attributes(self, element: Element) -> None:
        self._divisions = float(element.findtext("divisions") or self._divisions)
        if (time := element.find("time")) is not None:
            self._time = f"{time.findtext('beats')}/{time.findtext('beat-type')}"
        if self.fifths is None and (fifths := element.findtext("key/fifths")):
            self.fifths = int(fifths)
        if (transpose := element.find("transpose")) is not None:
            octaves = int(transpose.findtext("octave-change") or 0)
            self._transpose = int(transpose.findtext("chromatic") or 0) + 12 * octaves

    def _note(self, measure: int, place: float, duration: float, element: Element) -> None:
        pitch, voice = element.find("pitch"), element.findtext("voice")
        if pitch is None or not duration:  # a rest, a drum, a grace note
            return
        self._voice = self._voice or voice
        if voice == self._voice:
            number = 12 * (int(pitch.findtext("octave") or 4) + 1) + STEPS[pitch.findtext("step") or "C"]
            number += round(float(pitch.findtext("alter") or 0)) + self._transpose
            goes_on = any(tie.get("type") == "stop" for tie in element.iter("tie"))
            self._notes.append((measure, place, duration, number, goes_on))
