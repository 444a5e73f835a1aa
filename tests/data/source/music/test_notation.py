"""Songs as text and back."""

import torch
from tunes import tune

from leyden.data.source.music.notation import read_song, write_song


def test_a_held_chord_as_text() -> None:
    notes = torch.tensor([72, 64, 60, 48])[:, None].repeat(1, 16)
    assert write_song(notes, torch.zeros_like(notes, dtype=torch.bool), 16) == "|kcYM9....7"


def test_text_is_read_back() -> None:
    notes, onsets = tune(7)
    notes[2, 30:40] = 0
    onsets[2, 30:40] = False
    text = write_song(notes, onsets, 16)
    again, begun, broken = read_song(text, 16)
    assert broken == 0
    assert torch.equal(again, notes)
    assert write_song(again, begun, 16) == text


def test_held_and_repeated_notes_differ() -> None:
    notes = torch.full((4, 16), 60)
    onsets = torch.zeros_like(notes, dtype=torch.bool)
    onsets[0, 8] = True
    assert write_song(notes, onsets, 16) == "|YYYY8Y...8"


def test_what_is_no_music_is_passed_over() -> None:
    notes, onsets, broken = read_song("x|kcYM4zz....4|kcYM9....9|", 16)
    assert broken == 3  # a sign that is none and too short; too long; empty
    assert notes.shape == (4, 32)
    assert (notes == torch.tensor([72, 64, 60, 48])[:, None]).all()
    assert onsets.nonzero()[:, 1].unique().tolist() == [0, 16]


def test_a_text_without_bars_is_no_song() -> None:
    notes, onsets, broken = read_song("", 16)
    assert notes.shape == onsets.shape == (4, 0)
    assert broken == 0
