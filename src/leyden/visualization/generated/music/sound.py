"""A plain additive synthesiser: songs in four voices as sound, without a sound font."""

import io
import wave
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

RATE = 16_000
"""Samples in a second."""
PARTIALS = (1.0, 0.5, 0.33, 0.16, 0.1, 0.06)
"""Amplitudes of a note's fundamental and its overtones: something between a flute and an organ."""
ATTACK, RELEASE = 0.03, 0.08
"""Seconds in which a note swells and dies away."""
DECAY = 1.5
"""Seconds after which a held note has fallen to 1/e of what it falls by."""
SUSTAIN = 0.6
"""What a held note falls to, of its first loudness."""
LOUDEST = 0.8
"""Of the largest sample, so that nothing is clipped."""


class Sounding(NamedTuple):
    """A note of a voice, in steps."""

    start: int
    end: int
    pitch: int


def sounding_notes(pitches: Tensor, onsets: Tensor) -> Iterator[Sounding]:
    """The notes of a voice, in order.

    Args:
        pitches: (T,) MIDI pitches, 0 for silence.
        onsets: (T,) bool, where a note begins; where the pitch changes, one begins in any case.
    """
    start, before = 0, 0
    for step, (pitch, begins) in enumerate([*zip(pitches.tolist(), onsets.tolist(), strict=True), (0, False)]):
        if begins or pitch != before:
            if before:
                yield Sounding(start, step, before)
            start, before = step, pitch


def synthesise(notes: Tensor, onsets: Tensor, tempo: float = 84.0, per_quarter: int = 4) -> NDArray[np.float64]:
    """The sound of a song: samples from -1 to 1.

    A note of f = 440 * 2^((pitch - 69) / 12) Hz is the sum of sines of f, 2 f, ... with the amplitudes ``PARTIALS``
    below half of ``RATE``, under an envelope of attack, decay and release.

    Args:
        notes: (V, T) MIDI pitches, 0 for silence.
        onsets: (V, T) bool, where a note begins.
        tempo: quarter notes in a minute.
        per_quarter: steps of a quarter note.
    """
    step = 60 / tempo / per_quarter
    sound = np.zeros(round((notes.shape[1] * step + RELEASE) * RATE) + 1)
    for pitches, begun in zip(notes, onsets, strict=True):
        for start, end, pitch in sounding_notes(pitches, begun):
            begin, tone = round(start * step * RATE), _tone(pitch, (end - start) * step)
            room = min(len(tone), len(sound) - begin)
            sound[begin : begin + room] += tone[:room]
    peak = np.abs(sound).max()
    return sound * (LOUDEST / peak) if peak else sound


def wav_bytes(notes: Tensor, onsets: Tensor, tempo: float = 84.0) -> bytes:
    """The sound as a WAV file, mono, 16 bits; arguments as of ``synthesise``."""
    samples = (synthesise(notes, onsets, tempo) * 32767).astype("<i2")
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return content.getvalue()


def _tone(pitch: int, seconds: float) -> NDArray[np.float64]:
    time = np.arange(round((seconds + RELEASE) * RATE)) / RATE
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    wave_form = np.zeros_like(time)
    for number, amplitude in enumerate(PARTIALS, 1):
        if number * frequency < RATE / 2:
            wave_form += amplitude * np.sin(2 * np.pi * number * frequency * time)
    held = SUSTAIN + (1 - SUSTAIN) * np.exp(-time / DECAY)
    envelope = np.minimum(time / ATTACK, 1) * np.clip((seconds + RELEASE - time) / RELEASE, 0, 1)
    return wave_form * held * envelope
