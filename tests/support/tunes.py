"""A few songs in four voices, as MIDI files of a folder."""

from pathlib import Path

import torch
from torch import Tensor

from leyden.data.source.music.midi import midi_bytes

CHORDS = torch.tensor([[72, 67, 64, 48], [69, 65, 60, 53], [71, 67, 62, 55], [72, 64, 60, 57]])
"""C, F, G and Am, from the highest voice to the lowest."""


def tune(number: int, bars: int = 4) -> tuple[Tensor, Tensor]:
    """Pitches and onsets (4, 16 * bars) of a song of triads, a new one on each quarter, of its own for each number."""
    generator = torch.Generator().manual_seed(number)
    chosen = CHORDS[torch.randint(len(CHORDS), (4 * bars,), generator=generator)].clone()
    chosen[:, 0] -= torch.randint(3, (4 * bars,), generator=generator) * 2  # the melody walks
    notes = chosen.T.repeat_interleave(4, 1)
    onsets = torch.zeros_like(notes, dtype=torch.bool)
    onsets[:, ::4] = True
    return notes, onsets


def tune_folder(folder: Path, count: int = 12, bars: int = 4) -> Path:
    """A folder with so many MIDI files of different songs."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"song_{number:02d}.mid").write_bytes(midi_bytes(*tune(number, bars)))
    return folder
