"""Texts with hidden tokens, and what a network put in their places."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.gridspec import GridSpec
from torch import Tensor

from leyden.visualization.figure import COLOURS, LABEL, TICK, WIDTH, new_figure, render

LETTERS = 48
"""Of a line."""


class Gap(NamedTuple):
    """One hidden token."""

    text: str
    """In which it is hidden, with its mask."""
    guesses: Sequence[tuple[str, float]]
    """Tokens with their probabilities, the best first."""
    hidden: str
    """What was hidden; "" where nobody knows."""


def draw_filled(gaps: Sequence[Gap], title: str) -> Tensor:
    """A row for each text: the text, beside it a bar for each guess, the right one in green.

    Args:
        gaps: at least one.
        title: above all.

    Returns:
        uint8 (3, H, 1200); H grows with the texts.
    """
    width = WIDTH * 4 // 3
    figure = new_figure(width, 90 + 150 * len(gaps), title)
    cells = GridSpec(len(gaps), 2, figure, width_ratios=[1.5, 1])
    for row, (text, guesses, hidden) in enumerate(gaps):
        words = figure.add_subplot(cells[row, 0])
        words.axis("off")
        lines = textwrap.wrap(text, LETTERS, break_long_words=True)
        told = "\n".join([*lines[:4], *(["…"] if len(lines) > 4 else [])])
        words.text(0, 0.62, told, fontsize=TICK, va="center", transform=words.transAxes)
        if hidden:
            words.text(0, 0.05, f"hidden: {hidden}", fontsize=TICK, color=COLOURS[2], transform=words.transAxes)
        bars = figure.add_subplot(cells[row, 1])
        colours = [COLOURS[2] if token == hidden else COLOURS[4] for token, _ in guesses]
        bars.barh(range(len(guesses)), [p for _, p in guesses], color=colours, height=0.7)
        bars.set_yticks(range(len(guesses)), [token for token, _ in guesses], fontsize=TICK)
        bars.set_ylim(len(guesses) - 0.4, -0.6)
        bars.set_xlim(0, max(1e-9, *(p for _, p in guesses)) * 1.25)
        for place, (_, p) in enumerate(guesses):
            bars.text(p, place, f" {p:.2f}", va="center", fontsize=TICK - 2)
        bars.spines[["top", "right", "bottom"]].set_visible(False)
        bars.tick_params(left=False, bottom=False, labelbottom=False)
        if not row:
            bars.set_title("probability", fontsize=LABEL, loc="left")
    return render(figure)
