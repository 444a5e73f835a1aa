"""Songs as files that other programs play, and what a row of predictions says of one."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from leyden.data.source.music.midi import midi_bytes
from leyden.data.source.music.score import PER_QUARTER
from leyden.visualization.generated.music.sound import sounding_notes, wav_bytes


def song_files(notes: Tensor, onsets: Tensor, tempo: float, steps: int) -> Mapping[str, bytes]:
    """The song as "mid" and "wav".

    Args:
        notes: (V, T) MIDI pitches in steps of a sixteenth, 0 for silence.
        onsets: (V, T) bool, where a note begins.
        tempo: quarter notes in a minute.
        steps: of a bar.
    """
    time = f"{steps // PER_QUARTER}/4" if steps % PER_QUARTER == 0 else f"{steps}/16"
    return {"mid": midi_bytes(notes, onsets, tempo, time), "wav": wav_bytes(notes, onsets, tempo)}


def song_row(notes: Tensor, onsets: Tensor) -> dict[str, Any]:
    """``notes`` that there are, and the ``lowest`` and ``highest`` MIDI pitch, 0 where all is silent."""
    count = sum(len(list(sounding_notes(*voice))) for voice in zip(notes, onsets, strict=True))
    sounding = notes[notes > 0]
    low, high = (int(sounding.min()), int(sounding.max())) if len(sounding) else (0, 0)
    return {"notes": count, "lowest": low, "highest": high}
