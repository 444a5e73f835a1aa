"""Panels of bars with whiskers, two side by side, drawn to one scale."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from leyden.visualization.figure import COLOURS, LABEL, TICK, TITLE


class Bar(NamedTuple):
    """One bar of a panel."""

    name: str
    height: float
    """nan: nothing was measured, a dash stands in its place."""
    spread: float
    """Half the whisker's length; nan: none is drawn."""
    advised: bool
    """Whether it is marked as advised below its name."""
    won: bool
    """Whether its number is bold."""


def draw_panels(panels: Mapping[str, Sequence[Bar]], y: str, digits: int) -> Tensor:
    """A panel per title, row by row; bars of one name have one colour everywhere, and their number on top.

    Args:
        panels: the bars by title; at least one has a height.
        y: what the heights are, with unit.
        digits: decimals of the numbers.

    Returns:
        uint8 (3, 400 per row, 1000).
    """
    names = list(dict.fromkeys(bar.name for bars in panels.values() for bar in bars))
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
    rows = math.ceil(len(panels) / 2)
    figure = Figure(figsize=(10, 4 * rows), dpi=100, layout="constrained")
    grid = figure.subplots(rows, 2, sharey=True, squeeze=False).flat
    for axes, (title, bars) in zip(grid, panels.items(), strict=False):  # the last panel of an odd number stays empty
        _draw(axes, bars, colours, digits)
        axes.set_title(title, fontsize=TITLE)
    for first in grid[::2]:
        first.set_ylabel(y, fontsize=LABEL)
    grid[0].margins(y=0.12)  # room for the numbers
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return torch.from_numpy(np.asarray(canvas.buffer_rgba())[:, :, :3].copy()).permute(2, 0, 1).contiguous()


def _draw(axes: Axes, bars: Sequence[Bar], colours: Mapping[str, str], digits: int) -> None:
    axes.set_axisbelow(True)  # the grid
    axes.grid(axis="y", color="0.88")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=TICK)
    for place, bar in enumerate(bars):
        measured, spread = not math.isnan(bar.height), np.nan_to_num(bar.spread)
        if measured:
            axes.bar(place, bar.height, yerr=spread or None, color=colours[bar.name], capsize=6, alpha=0.85)
        axes.annotate(
            f"{bar.height:.{digits}f}" if measured else "–",
            (place, np.nan_to_num(bar.height) + spread),
            (0, 4),
            textcoords="offset points",  # just above the whisker
            ha="center",
            fontsize=TICK,
            fontweight="bold" if bar.won else "normal",
        )
    labels = [f"{bar.name}\n(advised)" if bar.advised else bar.name for bar in bars]
    slanted = sum(len(bar.name) for bar in bars) > 40  # letters that fit side by side
    axes.set_xticks(range(len(bars)), labels, rotation=25 if slanted else 0)
    axes.set_xlim(-0.6, len(bars) - 0.4)
