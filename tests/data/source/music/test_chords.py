"""Triads of bars."""

import pytest
import torch

from leyden.data.source.music.chords import CHORDS, chord_of, templates, transposed_chord


@pytest.mark.parametrize("number", range(24))
def test_a_triad_is_known(number: int) -> None:
    root, third = number % 12, 4 if number < 12 else 3
    notes = torch.tensor([67 + root, 60 + root + third, 60 + root, 48 + root])[None, :, None].repeat(1, 1, 4)
    assert CHORDS[chord_of(notes)] == CHORDS[number]


def test_the_bass_decides_between_relatives() -> None:
    upper = [72, 69, 64]  # C, A and E are in Am; C and E in C
    assert CHORDS[chord_of(torch.tensor([*upper, 45])[None, :, None])] == "Am"
    assert CHORDS[chord_of(torch.tensor([76, 72, 60, 48])[None, :, None])] == "C"


def test_silence_has_the_first_chord() -> None:
    assert chord_of(torch.zeros(2, 4, 8, dtype=torch.int64)).tolist() == [0, 0]


def test_each_template_has_three_pitches() -> None:
    assert templates().sum(1).tolist() == [3] * 24


def test_transposing_keeps_the_mode() -> None:
    assert transposed_chord(torch.tensor([11, 12, 23]), torch.tensor([1, -1, 12])).tolist() == [0, 23, 23]
