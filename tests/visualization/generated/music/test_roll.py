"""Piano rolls and files of songs."""

import torch
from tunes import tune

from leyden.visualization.generated.music.files import song_files, song_row
from leyden.visualization.generated.music.roll import COLOURS, HIGHEST, SEMITONE, STEP, draw_roll, draw_rolls


def test_a_note_is_where_it_sounds() -> None:
    notes = torch.zeros(4, 16, dtype=torch.int64)
    notes[1, 4:8] = 60
    image = draw_roll(notes, torch.zeros_like(notes, dtype=torch.bool))
    row = (HIGHEST - 60) * SEMITONE
    assert image[:, row, 4 * STEP + 3].tolist() == list(COLOURS[1])
    assert image[:, row, 4 * STEP + 1].tolist() == [c // 2 for c in COLOURS[1]]  # its begin is dark
    assert image[:, row, 8 * STEP + 2].tolist() == [255, 255, 255]


def test_rolls_stand_in_columns() -> None:
    one, four = (draw_rolls([("", *tune(0))] * count, columns=2) for count in (1, 4))
    assert four.shape[2] == 2 * one.shape[2]
    assert four.shape[1] == 2 * one.shape[1]


def test_files_and_row_of_a_song() -> None:
    files = song_files(*tune(0), 84.0, 16)
    assert files["mid"][:4] == b"MThd"
    assert files["wav"][:4] == b"RIFF"
    row = song_row(*tune(0))
    assert row["notes"] == 4 * 16  # quarters of four bars, four voices
    assert row["lowest"] == 48
