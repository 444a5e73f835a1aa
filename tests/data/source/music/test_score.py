"""Notes on the grid: keys, voices, bars."""

import pytest
import torch

from leyden.data.source.music.score import (
    Bar,
    Note,
    Score,
    bar_steps,
    four_voices,
    into_range,
    on_grid,
    shift_to_common_key,
    song_of,
    whole_bars,
)

G_MAJOR = [67, 69, 71, 72, 74, 76, 78, 79]


@pytest.mark.parametrize(("fifths", "pitches", "shift"), [(0, [60], 0), (1, [60], 5), (1, [68], -7), (-3, [60], -3)])
def test_key_signature_moves_to_c_major(fifths: int, pitches: list[int], shift: int) -> None:
    assert shift_to_common_key(pitches, fifths) == shift


def test_without_a_signature_the_scale_decides() -> None:
    assert shift_to_common_key(G_MAJOR, None) == shift_to_common_key(G_MAJOR, 1) == -7


def test_notes_beyond_the_range_are_octaves_away() -> None:
    assert [into_range(pitch) for pitch in (20, 35, 36, 83, 84, 100)] == [44, 47, 36, 83, 72, 76]


def test_repeated_notes_differ_from_held_ones() -> None:
    notes, onsets = on_grid([Note(0, 1, 60), Note(1, 2, 60)], 9)
    assert notes.tolist() == [60] * 8 + [0]
    assert onsets.nonzero().flatten().tolist() == [0, 4]


def test_four_parts_are_ordered_by_pitch() -> None:
    parts = [[Note(0, 1, pitch)] for pitch in (48, 72, 60, 67)]
    assert four_voices(parts, 4)[0][:, 0].tolist() == [72, 67, 60, 48]


def test_voices_of_a_piano_are_cut_out() -> None:
    piano = [Note(0, 2, pitch) for pitch in (48, 60, 64, 67, 72)] + [Note(2, 3, 50)]
    notes, onsets = four_voices([piano], 12)
    assert notes[:, 0].tolist() == [72, 67, 64, 48]
    assert notes[:, 8].tolist() == [50, 0, 0, 0]  # alone, a note is the first voice's
    assert onsets.nonzero().tolist() == [[0, 0], [0, 8], [1, 0], [2, 0], [3, 0]]


def test_bars_of_other_meters_are_passed_over() -> None:
    bars = [Bar(0, 1, "4/4"), Bar(1, 4, "4/4"), Bar(5, 3, "3/4"), Bar(8, 4, "4/4"), Bar(12, 2, "4/4")]
    assert whole_bars(bars, "4/4") == [4, 32]
    assert whole_bars(bars, "3/4") == [20]


def test_a_bar_in_two_halves_is_one() -> None:
    assert whole_bars([Bar(0, 4, "4/4"), Bar(4, 3, "4/4"), Bar(7, 1, "4/4"), Bar(8, 4, "4/4")], "4/4") == [0, 16, 32]


def test_a_song_in_the_common_key() -> None:
    score = Score("", {}, [Bar(0, 4, "4/4")], 2)
    song = song_of(score, [[Note(0, 4, 62 + third)] for third in (0, 4, 7, 12)], "4/4", common_key=True)
    assert (song.notes[:, 0] % 12).tolist() == [0, 7, 4, 0]  # D major becomes C major
    assert song.bars.tolist() == [0]


def test_bars_without_a_note_are_left_out() -> None:
    score = Score("", {}, [Bar(4 * number, 4, "4/4") for number in range(3)], 0)
    song = song_of(score, [[Note(0, 1, 60), Note(9, 12, 60)]], "4/4", common_key=True)
    assert song.bars.tolist() == [0, 32]


@pytest.mark.parametrize(("time", "steps"), [("4/4", 16), ("3/4", 12), ("12/8", 24), ("3/2", 24)])
def test_steps_of_a_bar(time: str, steps: int) -> None:
    assert bar_steps(time) == steps


@pytest.mark.parametrize("time", ["4", "common", "0/4", "1/32"])
def test_no_time_signature_is_refused(time: str) -> None:
    with pytest.raises(ValueError, match=r"data\.source\.time"):
        bar_steps(time)


def test_onsets_are_bool() -> None:
    assert on_grid([], 3)[1].dtype == torch.bool
