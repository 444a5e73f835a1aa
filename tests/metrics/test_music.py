"""Scores of music: closed forms."""

import pytest
import torch
from torch import Tensor

from leyden.metrics.music.bars import (
    as_bars,
    distinct_share,
    empty_share,
    nearest_distance,
    neighbour_ratio,
    scale_consistency,
    song_scores,
    stuck_share,
)
from leyden.metrics.music.histograms import (
    bar_line_histogram,
    harmonic_histogram,
    melodic_histogram,
    pitch_class_histogram,
    random_notes,
    shuffled_bars,
    song_distances,
    total_variation,
    worse_and_floor,
)

C_MAJOR = torch.tensor([72, 67, 64, 48])[:, None].expand(4, 16)


def bar(*changes: tuple[int, int, int]) -> Tensor:
    """C major held for a bar, with pitches (voice, step) from there on."""
    notes = C_MAJOR.clone()
    for voice, step, pitch in changes:
        notes[voice, step:] = pitch
    return notes


def begins(notes: Tensor) -> Tensor:
    """Onsets where the pitch changes."""
    before = torch.cat([torch.zeros_like(notes[..., :1]), notes[..., :-1]], -1)
    return (notes != before) & (notes > 0)


def test_pitch_classes_count_their_time() -> None:
    histogram = pitch_class_histogram(bar((0, 8, 69))[None])
    assert histogram[[0, 4, 7, 9]].tolist() == [24 / 64, 0.25, 0.25, 8 / 64]


def test_melodic_intervals_of_a_walk() -> None:
    notes = bar((0, 4, 74), (0, 8, 76), (0, 12, 60))[None]
    histogram = melodic_histogram(notes, begins(notes))
    assert histogram[[14, 0]].tolist() == pytest.approx([2 / 3, 1 / 3])  # +2 twice, and 16 down, which counts as 12


def test_repeated_notes_are_intervals_of_zero() -> None:
    notes = bar()[None]
    onsets = begins(notes)
    onsets[0, 1, 8] = True
    assert melodic_histogram(notes, onsets)[12] == 1


def test_harmonic_intervals_of_a_triad() -> None:
    # C5 over G4 5, E4 8, C3 0; G4 over E4 3, C3 7; E4 over C3 4
    assert harmonic_histogram(bar()[None]).nonzero().flatten().tolist() == [0, 3, 4, 5, 7, 8]


def test_bar_lines_are_crossed_once_by_each_voice() -> None:
    notes = torch.cat([bar(), bar() + 2], -1)[None]
    assert bar_line_histogram(notes, 16)[14] == 1


def test_silence_counts_nothing() -> None:
    silent = torch.zeros(1, 4, 32, dtype=torch.int64)
    for histogram in (pitch_class_histogram(silent), harmonic_histogram(silent), bar_line_histogram(silent, 16)):
        assert histogram.sum() == 0


def test_total_variation_of_extremes() -> None:
    p, q = torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.0, 0.0, 1.0])
    assert (total_variation(p, p), total_variation(p, q)) == (0, 1)


def test_empty_and_stuck_bars() -> None:
    moving, held, rest = bar((1, 8, 69)), bar(), bar((2, 0, 0))
    bars = torch.stack([moving, held, rest, bar((2, 8, 0))])
    assert empty_share(bars) == 0.25
    assert stuck_share(bars) == 0.5


def test_scale_of_a_foreign_note() -> None:
    assert scale_consistency(bar()[None]) == 1
    assert scale_consistency(bar((0, 0, 61))[None]) == 0.75  # C# E G C: three of four are in one scale


def test_nearest_distance_counts_steps() -> None:
    bars = torch.stack([bar(), bar((0, 8, 74))])
    assert nearest_distance(bars, bar()[None]).tolist() == [0, 8 / 64]


def test_copies_have_ratio_zero() -> None:
    train, real = torch.stack([bar(), bar((1, 4, 65))]), bar((0, 8, 74))[None]
    assert neighbour_ratio(train, train, real) == 0
    assert neighbour_ratio(real, train, real) == 1
    scores = song_scores(train, real, train)
    assert (scores["copies"], scores["copies_real"], scores["distinct"]) == (1, 0, 1)


def test_distinct_counts_different_bars() -> None:
    assert distinct_share(torch.stack([bar(), bar(), bar((0, 1, 0)), bar()])) == 0.5


def test_random_notes_keep_pitches_alone() -> None:
    real = torch.cat([bar((0, 8, 74)), bar((0, 8, 76))], -1)[None]
    notes, onsets = random_notes(real, 500, 16)
    assert set(notes[:, 0].flatten().tolist()) == {72, 74, 76}
    assert (notes[:, 0] == 72).float().mean().item() == pytest.approx(0.5, abs=0.04)
    assert onsets.nonzero()[:, 2].unique().tolist() == [0, 4, 8, 12]


def test_shuffling_keeps_bars() -> None:
    notes = torch.stack([torch.cat([bar((0, step, 74)), bar((1, step, 69))], -1) for step in range(8)])
    shuffled, onsets = shuffled_bars(notes, begins(notes), 16)
    before, after = (sorted(b.flatten().tolist() for b in as_bars(some, 16)) for some in (notes, shuffled))
    assert before == after
    assert not torch.equal(notes, shuffled)
    assert onsets.shape == notes.shape


def test_the_same_songs_have_no_distance() -> None:
    notes = torch.stack([torch.cat([bar((0, step, 74)), bar((1, step, 69))], -1) for step in range(1, 8)])
    onsets = begins(notes)
    assert set(song_distances(notes, onsets, notes, onsets, 16).values()) == {0.0}
    rows = worse_and_floor(notes, onsets, notes, onsets, 16)
    assert rows["distance_train"] == 0 < rows["distance_random"]
    assert rows["pitch_class_shuffled"] == pytest.approx(0, abs=1e-6)
