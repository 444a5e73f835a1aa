"""Piano rolls: time to the right, pitch upwards, a colour for each voice."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor

from leyden.visualization.generated.music.sound import sounding_notes

COLOURS = ((214, 69, 65), (232, 156, 49), (63, 145, 77), (52, 101, 164))
"""Of the voices, from the highest to the lowest."""
STEP, SEMITONE = 5, 4
"""Pixels of a step and of a semitone."""
LOWEST, HIGHEST = 34, 85
"""MIDI pitches at the lower and the upper edge."""
BLACK_KEYS = (1, 3, 6, 8, 10)
TITLE = 22


def draw_roll(notes: Tensor, onsets: Tensor, steps: int = 16) -> Tensor:
    """A piano roll: uint8 (3, H, W); rows of black keys are grey, lines stand at the bars.

    Args:
        notes: (V, T) MIDI pitches, 0 for silence.
        onsets: (V, T) bool, where a note begins.
        steps: of a bar.
    """
    width, height = notes.shape[1] * STEP + 1, (HIGHEST - LOWEST + 1) * SEMITONE
    canvas = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(canvas)
    for pitch in range(LOWEST, HIGHEST + 1):
        top = (HIGHEST - pitch) * SEMITONE
        if pitch % 12 in BLACK_KEYS:
            draw.rectangle((0, top, width, top + SEMITONE - 1), (240, 240, 240))
        if pitch % 12 == 0:
            draw.line((0, top + SEMITONE, width, top + SEMITONE), (205, 205, 205))
    for place in range(0, notes.shape[1] + 1, steps):
        draw.line((place * STEP, 0, place * STEP, height), (150, 150, 150))
    for voice in reversed(range(len(notes))):
        colour = COLOURS[voice % len(COLOURS)]
        for start, end, pitch in sounding_notes(notes[voice], onsets[voice]):
            top = (HIGHEST - pitch) * SEMITONE
            draw.rectangle((start * STEP + 1, top, end * STEP - 1, top + SEMITONE - 1), colour)
            draw.line((start * STEP + 1, top, start * STEP + 1, top + SEMITONE - 1), tuple(c // 2 for c in colour))
    return pil_to_tensor(canvas)


def draw_rolls(titled: Sequence[tuple[str, Tensor, Tensor]], steps: int = 16, columns: int = 2) -> Tensor:
    """Piano rolls below their titles, row by row, on white: uint8 (3, H, W).

    Args:
        titled: a title, notes (V, T) and onsets (V, T) of each.
        steps: of a bar.
        columns: rolls side by side.
    """
    rolls = [draw_roll(notes, onsets, steps) for _, notes, onsets in titled]
    width, height = max(roll.shape[2] for roll in rolls) + 12, rolls[0].shape[1] + TITLE + 8
    rows = -(-len(rolls) // columns)
    canvas = Image.new("RGB", (width * min(columns, len(rolls)), height * rows), "white")
    font = ImageFont.load_default(15)
    for number, ((title, _, _), roll) in enumerate(zip(titled, rolls, strict=True)):
        left, top = number % columns * width + 6, number // columns * height
        ImageDraw.Draw(canvas).text((left, top + 2), title, "black", font)
        canvas.paste(Image.fromarray(np.moveaxis(roll.numpy(), 0, -1)), (left, top + TITLE))
    return pil_to_tensor(canvas)
