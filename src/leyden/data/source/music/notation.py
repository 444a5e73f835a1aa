"""Songs as text, a sign for each voice, so that a language model of characters reads and writes music.

A bar begins with ``|``. Then come moments, from one change of any voice to the next: a sign for each voice from the
highest to the lowest, and a digit, how many sixteenths the moment lasts (longer ones are written in parts). A sign is a
letter where a note begins, A to Z for C2 to C#4, a to v for D4 to B5; ``.`` where the last note goes on; ``_`` where
the voice is silent. So C major held for a bar of 4/4 is ``|kcYM9....7``.

BachBot (Liang 2016, "BachBot: Automatic composition in the style of Bach chorales", section 3) has the same in longer
words: a pair of pitch and tie for each voice, a delimiter behind each sixteenth.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from string import ascii_letters

import torch
from torch import Tensor

from leyden.data.source.music.score import LOWEST, PITCHES, REST, VOICES

BAR, HELD, SILENT = "|", ".", "_"
LETTERS = (ascii_letters[26:] + ascii_letters[:26])[:PITCHES]
"""Of the pitches, from the lowest up."""
LONGEST = 9
"""Sixteenths of a moment."""
MOMENT = re.compile(rf"([{LETTERS}{re.escape(HELD)}{SILENT}]{{{VOICES}}})([1-{LONGEST}])")


def write_song(notes: Tensor, onsets: Tensor, steps: int) -> str:
    """A song as text.

    Args:
        notes: (4, bars * steps) MIDI pitches, 0 for silence.
        onsets: (4, bars * steps) bool, where a note begins; where the pitch changes, one begins in any case.
        steps: of a bar.
    """
    before = torch.cat([torch.zeros_like(notes[:, :1]), notes[:, :-1]], dim=1)
    begins = (onsets & (notes > REST)) | ((notes != before) & (notes > REST))
    changes = begins.any(0) | ((notes == REST) != (before == REST)).any(0)
    length = notes.shape[1]
    moments = [step for step in range(length) if changes[step] or step % steps == 0]
    text = ""
    for start, end in pairwise([*moments, length]):
        signs = "".join(
            SILENT if pitch == REST else LETTERS[pitch - LOWEST] if new else HELD
            for pitch, new in zip(notes[:, start].tolist(), begins[:, start].tolist(), strict=True)
        )
        text += BAR if start % steps == 0 else ""
        while end - start > LONGEST:
            text += f"{signs}{LONGEST}"
            signs, start = re.sub(f"[{LETTERS}]", HELD, signs), start + LONGEST
        text += f"{signs}{end - start}"
    return text


def read_song(text: str, steps: int) -> tuple[Tensor, Tensor, int]:
    """The song of a text, also of one that a model wrote: what is no moment is passed over.

    Bars of another length are cut or, in their last moment, held; text before the first bar line is passed over.

    Args:
        text: as ``write_song`` writes it.
        steps: of a bar.

    Returns:
        Pitches (4, bars * steps) int64, onsets of the same shape, and how many bars were not as they should be.
    """
    bars, broken = [], 0
    sounding = [REST] * VOICES
    for bar in text.split(BAR)[1:]:
        columns = list(_columns(bar, sounding))
        whole = len(columns) == steps and MOMENT.sub("", bar) == ""
        broken += not whole
        if columns:
            last = [(pitch, False) for pitch, _ in columns[-1]]
            columns = [*columns[:steps], *[last] * (steps - len(columns))]
            sounding = [pitch for pitch, _ in columns[-1]]
            bars += columns
    if not bars:
        silent = torch.zeros(VOICES, 0, dtype=torch.int64)
        return silent, silent.bool(), broken
    pairs = torch.tensor(bars)  # (T, 4, 2)
    return pairs[..., 0].T.contiguous(), pairs[..., 1].T.bool().contiguous(), broken


def _columns(bar: str, sounding: list[int]) -> Iterator[list[tuple[int, bool]]]:
    """Pitch and onset of each voice, step by step; ``sounding`` are the pitches before."""
    for signs, duration in MOMENT.findall(bar):
        new = [sign in LETTERS for sign in signs]
        sounding = [
            LOWEST + LETTERS.index(sign) if sign in LETTERS else REST if sign == SILENT else pitch
            for sign, pitch in zip(signs, sounding, strict=True)
        ]
        yield list(zip(sounding, new, strict=True))
        for _ in range(int(duration) - 1):
            yield [(pitch, False) for pitch in sounding]
