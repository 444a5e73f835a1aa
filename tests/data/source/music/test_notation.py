"""Songs as text and back."""

import pytest
import torch
from tunes import tune

from leyden.data.source.music.notation import read_song, write_song


def held(*pitches: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A chord for a bar, and no onset but where pitches change."""
    notes = torch.tensor(pitches)[:, None].repeat(1, 16)
    return notes, torch.zeros_like(notes, dtype=torch.bool)


def test_a_held_chord_as_text() -> None:
    assert write_song(*held(72, 64, 60, 48), 16) == "|kcYM|"


def test_moments_say_where_in_the_bar_they_begin() -> None:
    notes, onsets = held(72, 64, 60, 48)
    notes[0, 10:], notes[1, 13:], notes[3, 15:] = 71, 0, 50
    assert write_song(notes, onsets, 16) == "|kcYM3;j...4,._..4:._.O|"


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
    notes, onsets = held(60, 60, 60, 60)
    onsets[0, 8] = True
    assert write_song(notes, onsets, 16) == "|YYYY3Y...|"


@pytest.mark.parametrize(
    "bar",
    ["kcYM2zz..", "kcYM3....2....", "kcYM5....", "kcYM1....", "1kcYM", "2kcYM", "kcYMkcYM", "kcY"],
    ids=["no sign", "backwards", "no such beat", "twice", "first with a place", "late", "no place", "a voice less"],
)
def test_what_is_no_music_is_passed_over(bar: str) -> None:
    notes, _, broken = read_song(f"|kcYM|{bar}|", 16)
    assert broken == 1
    assert (notes == torch.tensor([72, 64, 60, 48])[:, None]).all()


def test_a_bar_that_is_cut_off_is_left_out() -> None:
    notes, _, broken = read_song("kcYM|kcYM||kcYM2", 16)
    assert notes.shape == (4, 16)
    assert broken == 1  # the empty one


def test_bars_that_are_too_long_to_be_counted_are_refused() -> None:
    with pytest.raises(ValueError, match=r"counts 9 quarters; set data\.source\.music\.time"):
        write_song(*held(72, 64, 60, 48), 40)


def test_a_text_without_bars_is_no_song() -> None:
    notes, onsets, broken = read_song("", 16)
    assert notes.shape == onsets.shape == (4, 0)
    assert broken == 0
