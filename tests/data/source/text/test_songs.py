"""Songs as texts for language models."""

from pathlib import Path

import pytest
import torch
from tunes import tune, tune_folder

from leyden.data.source.builtin.digits import Digits
from leyden.data.source.music.columns import Songs
from leyden.data.source.music.midi_folder import MidiFolder
from leyden.data.source.music.notation import read_song
from leyden.data.source.text.songs import SongTexts, song_texts
from leyden.data.splits import STAGES


def test_texts_have_the_songs_of_their_split(tmp_path: Path) -> None:
    source = SongTexts(MidiFolder(str(tune_folder(tmp_path))))
    for stage in STAGES:
        songs, texts = source.music.split(stage).columns, source.split(stage).columns.texts
        for notes, text in zip(songs.notes, texts, strict=True):
            assert torch.equal(read_song(text, 16)[0], notes)


def test_bars_that_are_apart_are_texts_of_their_own() -> None:
    notes, onsets = tune(0, 5)
    texts = song_texts(Songs(["a"], [notes], [onsets], [torch.tensor([0, 16, 40, 56])]), 16)
    assert [text.count("|") for text in texts] == [3, 3]  # a bar line behind the last bar, too
    assert torch.equal(read_song(texts[1], 16)[0], notes[:, 40:72])


def test_other_sources_are_refused() -> None:
    with pytest.raises(ValueError, match="source of songs"):
        SongTexts(Digits())  # type: ignore[arg-type]


def test_check_data_counts_them(tmp_path: Path) -> None:
    folder = tune_folder(tmp_path)
    (folder / "a.mid").write_bytes(b"")
    splits, issues = SongTexts(MidiFolder(str(folder))).inspect()
    assert sum(len(split) for split in splits.values()) == 12
    assert [issue.kind for issue in issues] == ["unusable file"]
