"""Songs as text, a sign for each voice, so that a language model of characters reads and writes music.

A bar begins with ``|``, and a song ends with one. Then come moments, from one change of any voice to the next: where in
the bar the moment begins, and a sign for each voice from the highest to the lowest. Where is counted as musicians do:
the beat (a quarter), 1 to 9, and behind it nothing on the beat, ``,`` ``;`` or ``:`` on its second, third or last
sixteenth; a bar's first moment needs none. A sign is a letter where a note begins, A to Z for C2 to C#4, a to v for D4
to B5; ``.`` where the last note goes on; ``_`` where the voice is silent. So C major for a bar of 4/4, in which the
highest voice moves down to B on the half of the third beat, is ``|kcYM3;j...|``.

That a moment says where it begins, as in REMI (Huang and Yang 2020, "Pop Music Transformer"), and not how long it
lasts, keeps bars whole: a model that writes need not add up. BachBot (Liang 2016, "BachBot: Automatic composition in
the style of Bach chorales", section 3) has the same voices in longer words, with a delimiter behind each sixteenth.
"""

import re
from string import ascii_letters

import torch
from torch import Tensor

from leyden.data.source.music.score import LOWEST, PER_QUARTER, PITCHES, REST, VOICES

BAR, HELD, SILENT = "|", ".", "_"
LETTERS = (ascii_letters[26:] + ascii_letters[:26])[:PITCHES]
"""Of the pitches, from the lowest up."""
PARTS = ("", ",", ";", ":")
"""Behind a beat's number: its sixteenths."""
BEATS = 9
"""Quarters of a bar that can be counted."""
SIGNS = rf"([{LETTERS}{re.escape(HELD)}{SILENT}]{{{VOICES}}})"
MOMENT = re.compile(rf"(^|[1-{BEATS}][{''.join(PARTS)}]?){SIGNS}")


def write_song(notes: Tensor, onsets: Tensor, steps: int) -> str:
    """A song as text.

    Args:
        notes: (4, bars * steps) MIDI pitches, 0 for silence.
        onsets: (4, bars * steps) bool, where a note begins; where the pitch changes, one begins in any case.
        steps: of a bar.

    Raises:
        ValueError: a bar has more than nine quarters.
    """
    if steps > BEATS * PER_QUARTER:
        raise ValueError(f"bars of {steps} sixteenths: the text counts {BEATS} quarters; set data.source.music.time")
    before = torch.cat([torch.zeros_like(notes[:, :1]), notes[:, :-1]], dim=1)
    begins = (onsets & (notes > REST)) | ((notes != before) & (notes > REST))
    changes = begins.any(0) | ((notes == REST) != (before == REST)).any(0)
    text = ""
    for step in range(notes.shape[1]):
        if not changes[step] and step % steps:
            continue
        signs = "".join(
            SILENT if pitch == REST else LETTERS[pitch - LOWEST] if new else HELD
            for pitch, new in zip(notes[:, step].tolist(), begins[:, step].tolist(), strict=True)
        )
        text += (_place(step % steps) if step % steps else BAR) + signs
    return text + BAR


def read_song(text: str, steps: int) -> tuple[Tensor, Tensor, int]:
    """The song of a text, also of one that a model wrote: what is no moment is passed over.

    So is what stands before the first bar line, and behind the last one: a bar that was cut off.

    Args:
        text: as ``write_song`` writes it.
        steps: of a bar.

    Returns:
        Pitches (4, bars * steps) int64, onsets of the same shape, and how many bars were not as they should be: with
        other signs, or with moments that do not follow each other.
    """
    bars, broken = [], 0
    sounding = [REST] * VOICES
    for bar in text.split(BAR)[1:-1]:
        columns, whole = _columns(bar, sounding, steps)
        broken += not whole
        if columns:
            sounding = [pitch for pitch, _ in columns[-1]]
            bars += columns
    if not bars:
        silent = torch.zeros(VOICES, 0, dtype=torch.int64)
        return silent, silent.bool(), broken
    pairs = torch.tensor(bars)  # (T, 4, 2)
    return pairs[..., 0].T.contiguous(), pairs[..., 1].T.bool().contiguous(), broken


def _place(step: int) -> str:
    """Where in a bar a step is, as text."""
    return f"{step // PER_QUARTER + 1}{PARTS[step % PER_QUARTER]}"


def _columns(bar: str, sounding: list[int], steps: int) -> tuple[list[list[tuple[int, bool]]], bool]:
    """Pitch and onset of each voice, step by step, none of a bar without moments; and whether all of it was as it
    should be. ``sounding`` are the pitches before."""
    places = {_place(step): step for step in range(1, steps)} | {"": 0}
    columns: list[list[tuple[int, bool]]] = []
    whole = MOMENT.sub("", bar) == "" and bar != ""
    for where, signs in MOMENT.findall(bar):
        place = places.get(where, -1)
        if place < len(columns):
            whole = False
            continue
        whole &= place == 0 or bool(columns)
        columns += [[(pitch, False) for pitch in sounding]] * (place - len(columns))
        new = [sign in LETTERS for sign in signs]
        sounding = [
            LOWEST + LETTERS.index(sign) if sign in LETTERS else REST if sign == SILENT else pitch
            for sign, pitch in zip(signs, sounding, strict=True)
        ]
        columns.append(list(zip(sounding, new, strict=True)))
    if columns:
        columns += [[(pitch, False) for pitch in sounding]] * (steps - len(columns))
    return columns, whole
