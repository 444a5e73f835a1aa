"""Bars with the bar before: from songs to batches."""

import functools
import operator
from pathlib import Path

import pytest
import torch
from tunes import tune, tune_folder

from leyden.data.batches.gan.bars import BEGIN, SongBars, Transpose, bars_of, phrases_of
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.music.chords import chord_of
from leyden.data.source.music.columns import Songs
from leyden.data.source.music.midi_folder import MidiFolder


def songs() -> Songs:
    """Two songs of four bars; the second has a gap of another length behind its second bar."""
    notes, onsets = zip(tune(0), tune(1, 5), strict=True)
    return Songs(["a", "b"], list(notes), list(onsets), [torch.arange(4) * 16, torch.tensor([0, 16, 40, 56])])


def test_each_bar_has_the_one_before() -> None:
    bars, both = bars_of(songs(), 16), songs()
    assert len(bars.notes) == 8
    assert torch.equal(bars.notes[1], both.notes[0][:, 16:32])
    assert torch.equal(bars.notes_before[1:4], bars.notes[0:3])
    assert torch.equal(bars.onsets_before[5], bars.onsets[4])
    silent = (bars.notes_before == 0).all((1, 2)).tolist()
    assert silent == [True, False, False, False, True, False, True, False]  # begins, and behind the gap
    assert torch.equal(bars.chords, chord_of(bars.notes))


def test_phrases_are_whole_and_do_not_overlap() -> None:
    found = [notes for notes, _ in phrases_of(songs(), 16, 2)]
    assert len(found) == 4
    assert torch.equal(found[1], songs().notes[0][:, 32:])
    assert len(list(phrases_of(songs(), 16, 3))) == 1


def test_transposing_moves_notes_and_chords_together() -> None:
    bars = bars_of(songs(), 16)
    u = torch.tensor([0.0, 0.999, 0.5, 0.2, 0.4, 0.6, 0.8, 0.9])[:, None]
    moved = Transpose(5)(bars, u)
    assert torch.equal(moved.chords, chord_of(moved.notes))
    interval = (moved.notes - bars.notes)[:, 0, 0]
    assert interval[:3].tolist() == [-5, 5, 0]
    assert torch.equal(moved.notes == 0, bars.notes == 0)
    assert torch.equal(moved.notes_before[1:4, 0] > 0, bars.notes_before[1:4, 0] > 0)


def test_the_spec_counts_chords(tmp_path: Path) -> None:
    data = SongBars(MidiFolder(str(tune_folder(tmp_path))))
    data.prepare_data()
    spec, bars = data.spec, data.whole("train")
    counts = torch.tensor(spec["chord_counts"])
    assert counts.sum() == len(bars.notes)
    assert counts[BEGIN].sum() == (bars.notes_before == 0).all((1, 2)).sum()
    first = int(bars.chords[0])
    assert counts[first, bars.chords[1]] > 0
    assert spec["steps"] == 16


def test_songs_and_not_bars_are_split(tmp_path: Path) -> None:
    data = SongBars(MidiFolder(str(tune_folder(tmp_path))), batch_size=4)
    titles = [data.source.split(stage).columns.titles for stage in ("train", "val", "test")]
    assert [len(data.split(stage)) for stage in ("train", "val", "test")] == [4 * len(names) for names in titles]
    assert len(set(functools.reduce(operator.iadd, titles, []))) == 12


@pytest.mark.parametrize("semitones", [-1, 12])
def test_too_far_a_transposition_is_refused(semitones: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"data\.transpose"):
        SongBars(MidiFolder(str(tmp_path)), transpose=semitones)


def test_images_are_no_songs() -> None:
    with pytest.raises(ValueError, match="consumes music"):
        SongBars(Digits())  # type: ignore[arg-type]


def test_too_many_bars_in_a_row_are_refused(tmp_path: Path) -> None:
    data = SongBars(MidiFolder(str(tune_folder(tmp_path))))
    with pytest.raises(ValueError, match="no song of val has 9 bars"):
        data.phrases("val", 9)
