"""MIDI files, written, read back, and held against music21."""

from pathlib import Path

import pytest
import torch
from tunes import tune

from leyden.data.source.music.midi import midi_bytes, read_midi
from leyden.data.source.music.score import Bar, Note, song_of


def read_back(content: bytes, folder: Path, time: str = "4/4") -> tuple[torch.Tensor, torch.Tensor]:
    file = folder / "song.mid"
    file.write_bytes(content)
    score = read_midi(file)
    song = song_of(score, list(score.parts.values()), time, common_key=False)
    return song.notes, song.onsets


def test_written_songs_are_read_back(tmp_path: Path) -> None:
    notes, onsets = tune(3)
    notes[1, 20:28] = 0  # a rest, and a held note that is struck again
    onsets[1, 20:28] = False
    onsets[0, 6] = True
    again, begun = read_back(midi_bytes(notes, onsets), tmp_path)
    assert torch.equal(again, notes)
    assert torch.equal(begun, onsets | (notes != torch.cat([notes[:, :1] * 0, notes[:, :-1]], 1)) & (notes > 0))


def test_music21_reads_what_is_written(tmp_path: Path) -> None:
    music21 = pytest.importorskip("music21")
    notes, onsets = tune(5)
    (tmp_path / "song.mid").write_bytes(midi_bytes(notes, onsets, tempo=96.0, time="4/4"))
    song = music21.converter.parse(tmp_path / "song.mid", forceSource=True)
    parts = song.parts
    assert len(parts) == 4
    for voice, part in zip(notes, parts, strict=True):
        heard = torch.zeros_like(voice)
        for note in part.flatten().notes:
            start = round(4 * float(note.offset))
            heard[start : start + round(4 * float(note.quarterLength))] = note.pitch.midi
        assert torch.equal(heard, voice)
    assert parts[0].flatten().getElementsByClass("TimeSignature")[0].ratioString == "4/4"
    assert song.flatten().getElementsByClass("MetronomeMark")[0].number == 96


def test_a_file_of_music21_is_read(tmp_path: Path) -> None:
    music21 = pytest.importorskip("music21")
    part = music21.stream.Part([music21.meter.TimeSignature("3/4"), music21.key.KeySignature(-3)])
    for pitch in (60, 63, 67):
        part.append(music21.note.Note(pitch, quarterLength=1.0))
    part.write("midi", tmp_path / "song.mid")
    score = read_midi(tmp_path / "song.mid")
    assert [note.pitch for notes in score.parts.values() for note in notes] == [60, 63, 67]
    assert score.fifths == -3
    assert score.bars == [Bar(0.0, 3.0, "3/4")]


def test_running_status_and_zero_velocity(tmp_path: Path) -> None:
    # two notes a quarter long; the second event and those behind it leave their status out, velocity 0 ends a note
    events = b"\x00\x90\x3c\x40" + b"\x60\x3c\x00" + b"\x00\x40\x40" + b"\x60\x40\x00" + b"\x00\xff\x2f\x00"
    head = b"MThd\x00\x00\x00\x06\x00\x00\x00\x01\x00\x60"
    (tmp_path / "a.mid").write_bytes(head + b"MTrk" + len(events).to_bytes(4, "big") + events)
    assert list(read_midi(tmp_path / "a.mid").parts.values()) == [[Note(0.0, 1.0, 60), Note(1.0, 2.0, 64)]]


def test_golden_bytes_of_one_note() -> None:
    notes, onsets = torch.tensor([[60, 60]]), torch.tensor([[True, False]])
    track = b"\x00\xc0\x34" + b"\x00\x90\x3c\x50" + b"\x81\x70\x80\x3c\x50" + b"\x00\xff\x2f\x00"  # 240 ticks of 480
    assert midi_bytes(notes, onsets).endswith(b"MTrk" + len(track).to_bytes(4, "big") + track)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"RIFF0000", "does not begin with MThd"),
        (b"MThd\x00\x00\x00\x06\x00\x00\x00\x01\xe7\x28", "counted in frames"),
        (b"MThd\x00\x00\x00\x06\x00\x00\x00\x01\x00\x60MTrk\x00\x00\x00\x03\x00\x90\x3c", "cut short"),
        (b"MThd\x00\x00\x00\x06\x00\x00\x00\x01\x00\x60MTrk\x00\x00\x00\x04\x00\xff\x2f\x00", "no note"),
    ],
)
def test_what_is_no_song_is_refused(content: bytes, what: str, tmp_path: Path) -> None:
    (tmp_path / "a.mid").write_bytes(content)
    with pytest.raises(ValueError, match=what):
        read_midi(tmp_path / "a.mid")
