"""Sources of songs: splits by melody, chorales against music21, folders of MIDI files."""

from pathlib import Path

import pytest
import torch
from tunes import tune, tune_folder

from leyden.data.source.music.chorales import Chorales
from leyden.data.source.music.midi_folder import MidiFolder
from leyden.data.source.music.score import Song
from leyden.data.source.music.song_source import melodies
from leyden.data.splits import STAGES


def song(notes: torch.Tensor) -> Song:
    return Song("", notes, torch.zeros_like(notes, dtype=torch.bool), torch.tensor([0]))


def test_melodies_are_known_in_other_keys_and_places() -> None:
    first, other = tune(0, bars=8)[0], tune(1, bars=8)[0]
    later = torch.cat([other[:, :16], first[:, 16:] + 5], dim=1)  # the melody of the first from its second bar on
    assert melodies([song(first), song(other), song(later)]) == [[0, 2], [1]]


def test_a_melody_is_in_one_split(tmp_path: Path) -> None:
    folder = tune_folder(tmp_path / "songs", 10)
    tune_folder(tmp_path / "songs" / "copies", 10)
    source = MidiFolder(str(folder))
    titles = [set(source.split(stage).columns.titles) for stage in STAGES]
    assert sum(map(len, titles)) == 20
    for names in titles:
        assert {f"copies/{name}" for name in names if "/" not in name} == {name for name in names if "/" in name}


def test_a_broken_file_is_left_out(tmp_path: Path) -> None:
    folder = tune_folder(tmp_path, 5)
    (folder / "broken.mid").write_bytes(b"nothing")
    _, issues = MidiFolder(str(folder)).inspect()
    assert [(issue.kind, issue.file.name) for issue in issues] == [("unusable file", "broken.mid")]


def test_an_empty_folder_names_the_cure(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"set data\.source\.root"):
        MidiFolder(str(tmp_path)).prepare()


def test_too_few_melodies_name_the_cure(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="three are needed"):
        MidiFolder(str(tune_folder(tmp_path, 2))).prepare()


@pytest.mark.parametrize("number", [7, 100, 250, 400])
def test_chorales_sound_as_music21_reads_them(number: int) -> None:
    music21 = pytest.importorskip("music21")
    source = Chorales(key="own")
    file = source.files()[number]
    read = source.read(file)
    assert read is not None
    score = music21.converter.parse(file)
    parts = [
        next(part for part in score.parts if part.partName == name) for name in ("Soprano", "Alto", "Tenor", "Bass")
    ]
    order = sorted(parts, key=lambda part: -sum(n.pitch.midi for n in part.flatten().notes) / len(part.flatten().notes))
    for notes, onsets, part in zip(read.notes, read.onsets, order, strict=True):
        heard, begun = torch.zeros_like(notes), torch.zeros_like(onsets)
        for note in part.flatten().notes:
            start = round(4 * float(note.offset))
            heard[start : start + round(4 * float(note.quarterLength))] = note.pitch.midi
            begun[start] = note.tie is None or note.tie.type == "start"
        assert torch.equal(heard, notes)
        assert torch.equal(begun, onsets)


def test_chorales_come_into_one_key() -> None:
    pytest.importorskip("music21")
    shares = []
    for key in ("own", "common"):
        source = Chorales(key=key, songs=30)
        notes = torch.cat([notes.flatten() for notes in source.split("train").columns.notes])
        inside = torch.isin(notes[notes > 0] % 12, torch.tensor([0, 2, 4, 5, 7, 9, 11]))
        shares.append(inside.float().mean().item())
    assert shares[1] > 0.9 > shares[0]


def test_without_music21_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leyden.data.source.music.chorales.find_spec", lambda _: None)
    with pytest.raises(ImportError, match=r"pip install 'leyden\[music\]'"):
        Chorales().prepare()
