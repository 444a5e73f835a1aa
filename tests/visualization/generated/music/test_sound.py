"""The synthesiser: pitches, lengths, files."""

import io
import wave

import numpy as np
import pytest
import torch

from leyden.visualization.generated.music.sound import RATE, Sounding, sounding_notes, synthesise, wav_bytes


def held(pitch: int, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    notes = torch.full((1, steps), pitch)
    onsets = torch.zeros(1, steps, dtype=torch.bool)
    onsets[0, 0] = True
    return notes, onsets


@pytest.mark.parametrize(("pitch", "hertz"), [(69, 440.0), (57, 220.0), (72, 523.25)])
def test_the_loudest_partial_is_the_pitch(pitch: int, hertz: float) -> None:
    sound = synthesise(*held(pitch, 16), tempo=120)
    spectrum = np.abs(np.fft.rfft(sound))
    assert np.fft.rfftfreq(len(sound), 1 / RATE)[spectrum.argmax()] == pytest.approx(hertz, abs=1)


def test_sound_begins_and_ends_softly() -> None:
    sound = synthesise(*held(60, 8), tempo=120)
    assert np.abs(sound).max() == pytest.approx(0.8)
    assert abs(sound[0]) < 1e-9
    assert abs(sound[-1]) < 1e-2


def test_a_wav_file_has_the_songs_length() -> None:
    with wave.open(io.BytesIO(wav_bytes(*held(60, 32), tempo=60))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        assert file.getnframes() / RATE == pytest.approx(8.08, abs=0.01)


def test_silence_is_silent() -> None:
    assert not synthesise(torch.zeros(4, 16, dtype=torch.int64), torch.zeros(4, 16, dtype=torch.bool)).any()


def test_a_note_begins_again() -> None:
    pitches = torch.tensor([60, 60, 60, 62, 0, 62])
    onsets = torch.tensor([True, False, True, False, False, False])
    assert list(sounding_notes(pitches, onsets)) == [
        Sounding(0, 2, 60), Sounding(2, 3, 60), Sounding(3, 4, 62), Sounding(5, 6, 62),
    ]  # fmt: skip
