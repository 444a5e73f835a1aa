"""Standard MIDI files (MIDI Manufacturers Association 1996): notes of a file, and a file of notes.

Little of the format is needed: when notes begin and end, time and key signatures. Tests hold both ways against music21.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from leyden.data.source.music.score import PER_QUARTER, Bar, Note, Score

TICKS = 480
"""Of a quarter note, in files that are written."""
DRUMS = 9
"""The channel, from 0, whose notes are no pitches."""
TEMPO, TIME, KEY, END, TITLE = 0x51, 0x58, 0x59, 0x2F, 0x03
"""Kinds of meta events."""
VELOCITY = 80
CHOIR = 52
"""Program, from 0, of General MIDI: voices singing "aah"."""


class _Event(NamedTuple):
    tick: int
    status: int
    """0xFF for meta events."""
    kind: int
    """Of meta events; else the first data byte."""
    data: bytes


def read_midi(file: Path) -> Score:
    """The notes of each track and channel, and bars by the time signatures; 4/4 where there are none.

    Raises:
        ValueError: the file holds no MIDI, or counts time in seconds.
    """
    content = file.read_bytes()
    if content[:4] != b"MThd" or len(content) < 14:
        raise ValueError(f"{file}: no MIDI file: it does not begin with MThd")
    division = struct.unpack(">H", content[12:14])[0]
    if division & 0x8000 or not division:
        raise ValueError(f"{file}: its time is counted in frames, not in quarter notes: export it with a tempo")
    try:
        tracks = [list(_events(track)) for track in _tracks(content)]
    except (IndexError, struct.error) as error:
        raise ValueError(f"{file}: a track is cut short: export or download the file again") from error
    parts: dict[str, list[Note]] = {}
    for number, events in enumerate(tracks, 1):
        for channel, notes in _notes(events, division).items():
            parts[f"track {number} channel {channel + 1}"] = notes
    if not parts:
        raise ValueError(f"{file}: no note is inside: take it out of the folder")
    meta = sorted(event for events in tracks for event in events if event.status == 0xFF)
    keys = [event.data[0] for event in meta if event.kind == KEY and event.data]
    end = max(note.end for notes in parts.values() for note in notes)
    fifths = None if not keys else keys[0] - 256 if keys[0] > 127 else keys[0]
    return Score(file.stem, parts, _bars(meta, division, end), fifths)


def midi_bytes(notes: Tensor, onsets: Tensor, tempo: float = 84.0, time: str = "4/4") -> bytes:
    """A file of format 1: a track with tempo and time signature, then one for each voice.

    Args:
        notes: (V, T) MIDI pitches in steps of a sixteenth, 0 for silence.
        onsets: (V, T) bool, where a note begins; where the pitch changes, one begins in any case.
        tempo: quarter notes in a minute.
        time: the time signature.
    """
    beats, unit = (int(part) for part in time.split("/"))
    signature = bytes([beats, unit.bit_length() - 1, 24, 8])
    first = _meta(TEMPO, round(60e6 / tempo).to_bytes(3, "big")) + _meta(TIME, signature)
    tracks = [
        _track(first),
        *(_voice(*voice) for voice in enumerate(zip(notes.tolist(), onsets.tolist(), strict=True))),
    ]
    return b"MThd" + struct.pack(">IHHH", 6, 1, len(tracks), TICKS) + b"".join(tracks)


def _voice(channel: int, voice: tuple[list[int], list[bool]]) -> bytes:
    pitches, begun = voice
    changes: list[tuple[int, int, int]] = []
    sounding = 0
    for step, (pitch, begins) in enumerate([*zip(pitches, begun, strict=True), (0, False)]):
        if begins or pitch != sounding:
            if sounding:
                changes.append((step, 0x80 | channel, sounding))
            if pitch:
                changes.append((step, 0x90 | channel, pitch))
            sounding = pitch
    content, last = b"\0" + bytes([0xC0 | channel, CHOIR]), 0
    for step, status, pitch in changes:
        content += _quantity((step - last) * TICKS // PER_QUARTER) + bytes([status, pitch, VELOCITY])
        last = step
    return _track(content)


def _track(content: bytes) -> bytes:
    content += _meta(END, b"")
    return b"MTrk" + struct.pack(">I", len(content)) + content


def _meta(kind: int, data: bytes) -> bytes:
    return b"\0\xff" + bytes([kind]) + _quantity(len(data)) + data


def _quantity(number: int) -> bytes:
    """A number in groups of seven bits, all but the last marked."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))


def _tracks(content: bytes) -> Iterator[bytes]:
    place = 8 + struct.unpack(">I", content[4:8])[0]
    while place + 8 <= len(content):
        length = struct.unpack(">I", content[place + 4 : place + 8])[0]
        if content[place : place + 4] == b"MTrk":
            yield content[place + 8 : place + 8 + length]
        place += 8 + length


def _events(track: bytes) -> Iterator[_Event]:
    """All events of a track, at their ticks from its begin."""
    place, tick, status = 0, 0, 0

    def quantity() -> int:
        nonlocal place
        number = 0
        while True:
            byte = track[place]
            place += 1
            number = number << 7 | byte & 0x7F
            if byte < 0x80:
                return number

    while place < len(track):
        tick += quantity()
        if track[place] >= 0x80:  # else the status of the event before still holds
            status = track[place]
            place += 1
        if status in (0xFF, 0xF0, 0xF7):
            kind = track[place] if status == 0xFF else 0
            place += status == 0xFF
            length = quantity()
            data = track[place : place + length]
            place += length
        else:
            length = 1 if status & 0xF0 in (0xC0, 0xD0) else 2
            kind, data = track[place], track[place + 1 : place + length]
            place += length
        if place > len(track):
            raise IndexError
        yield _Event(tick, status, kind, data)


def _notes(events: list[_Event], division: int) -> dict[int, list[Note]]:
    """The notes of each channel but drums, in order; one that never ends lasts to the track's end."""
    begun: dict[tuple[int, int], list[int]] = {}
    notes: dict[int, list[Note]] = {}
    last = events[-1].tick if events else 0

    def end(channel: int, pitch: int, tick: int) -> None:
        start = begun[channel, pitch].pop(0)
        notes.setdefault(channel, []).append(Note(start / division, tick / division, pitch))

    for tick, status, pitch, data in events:
        channel, kind = status & 0x0F, status & 0xF0
        if status == 0xFF or channel == DRUMS or kind not in (0x80, 0x90):
            continue
        if kind == 0x90 and data[0]:
            begun.setdefault((channel, pitch), []).append(tick)
        elif begun.get((channel, pitch)):
            end(channel, pitch, tick)
    for channel, pitch in list(begun):
        while begun[channel, pitch]:
            end(channel, pitch, last)
    return {channel: sorted(found) for channel, found in sorted(notes.items())}


def _bars(meta: list[_Event], division: int, end: float) -> list[Bar]:
    """Bars from begin to end, each of the time signature that holds there."""
    times = [(event.tick / division, event.data) for event in meta if event.kind == TIME and len(event.data) >= 2]
    bars: list[Bar] = []
    start, time, length = 0.0, "4/4", 4.0
    while start < end:
        while times and times[0][0] <= start:
            data = times.pop(0)[1]
            time, length = f"{data[0]}/{2 ** data[1]}", data[0] * 4 / 2 ** data[1]
        bars.append(Bar(start, length, time))
        start += length
    return bars
