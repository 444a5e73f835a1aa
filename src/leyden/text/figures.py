"""How a language model learns: its bits per character over the steps, and what it wrote meanwhile."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from matplotlib.figure import SubFigure
from torch import Tensor

from leyden.visualization.figure import COLOURS, LABEL, TICK, WIDTH, new_axes, new_figure, render, wide_enough

LETTERS = 88
"""Of a sample's line."""
LINES = 2
"""Of a sample."""
SHOWN = 4
"""Moments whose samples are shown."""


class Moment(NamedTuple):
    """A validation."""

    step: int
    bits: float
    """Per character."""
    texts: list[str]
    """What the model wrote."""


def draw_learning(
    moments: Sequence[Moment],
    floors: Mapping[str, float],
    title: str,
    others: Mapping[str, Sequence[tuple[int, float]]] = MappingProxyType({}),
) -> Tensor:
    """A curve of bits per character with the floors as dashed lines across, and samples of some moments below.

    Args:
        moments: one at least, in the order of their steps.
        floors: bits per character by name, such as those of n-grams.
        title: above the chart.
        others: further curves by name, steps with bits per character.

    Returns:
        uint8 (3, H, 900).

    Raises:
        ValueError: no moments.
    """
    if not moments:
        raise ValueError("no validation yet: there is nothing to draw")
    figure = new_figure(WIDTH, 880, title)
    chart, samples = figure.subfigures(2, 1, squeeze=False, height_ratios=[5, 3.8])[:, 0]
    axes = new_axes(chart, "optimizer steps", "bits per character, validation")
    steps, bits = [moment.step for moment in moments], [moment.bits for moment in moments]
    axes.plot(steps, bits, color=COLOURS[0], marker="o", markersize=6, linewidth=2.4)
    axes.annotate(f"{bits[-1]:.3f}", (steps[-1], bits[-1]), (8, -5), textcoords="offset points", fontsize=TICK)
    for name, curve in others.items():
        if curve:
            axes.plot(*zip(*curve, strict=True), color=COLOURS[2], marker="s", markersize=5, linewidth=2)
            axes.annotate(name, curve[len(curve) // 2], (6, 6), textcoords="offset points", fontsize=TICK)
    low, high = wide_enough([*bits, *floors.values(), *(bits for curve in others.values() for _, bits in curve)])
    axes.set_ylim(low, high)
    for height in floors.values():
        axes.axhline(height, color=COLOURS[1], linestyle="--", linewidth=1.4)
    for name, place in spread(floors, (high - low) / 18).items():
        label, at = f"{name} {floors[name]:.3f}", axes.get_yaxis_transform()
        axes.text(1.01, place, label, transform=at, va="center", fontsize=TICK - 2, color=COLOURS[1])
    axes.grid(color="0.88")
    axes.margins(x=0.1)
    _write(samples, moments)
    return render(figure)


def spread(heights: Mapping[str, float], gap: float) -> dict[str, float]:
    """Places of labels near their heights, ``gap`` or more apart, the lowest where it belongs."""
    places: dict[str, float] = {}
    least = -math.inf
    for name, height in sorted(heights.items(), key=lambda pair: pair[1]):
        places[name] = max(height, least)
        least = places[name] + gap
    return places


def _write(figure: SubFigure, moments: Sequence[Moment]) -> None:
    """Samples of the first moment, the last one and some between, as text."""
    count = min(SHOWN, len(moments))
    chosen = [moments[round(i * (len(moments) - 1) / max(1, count - 1))] for i in range(count)]
    axes = figure.subplots()
    axes.axis("off")
    for place, moment in enumerate(chosen):
        top = 1 - place / SHOWN
        axes.text(
            0, top, f"what it writes after {moment.step:,} steps ({moment.bits:.2f})", fontsize=LABEL - 2, va="top"
        )
        text = "  |  ".join(" ".join(text.split()) for text in moment.texts if text.strip()) or "(nothing)"
        lines = textwrap.wrap(_drawable(text), LETTERS)[:LINES]
        axes.text(0, top - 0.075, "\n".join(lines), family="monospace", fontsize=TICK - 2, va="top", color="0.25")


def _drawable(text: str) -> str:
    """Without signs that a chart's typeface lacks, and without what it takes for formulae."""
    return "".join(sign if sign.isprintable() and ord(sign) < 0x250 else "\ufffd" for sign in text).replace("$", r"\$")
