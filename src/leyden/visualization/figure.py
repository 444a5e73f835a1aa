"""White paper, axes, palettes and legends that all charts share, and the way from a figure to a tensor.

Imports matplotlib, so import this module where a chart is drawn. Figures are drawn without pyplot: nothing global
changes, no window opens, nothing must be closed.
"""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

if TYPE_CHECKING:  # `leyden compare` draws without torch
    from torch import Tensor

# Okabe and Ito's colours that colour-blind people tell apart, less the yellow, which white paper swallows. Seven
# colours and five markers give 35 curves of their own.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v")
DPI, WIDTH, HEIGHT = 100, 900, 600  # pixels per inch, pixels
TITLE, LABEL, TICK = 17, 15, 13  # font sizes in points
MOST_COLOURS = 20
LEAST_SPAN = 0.25
"""Of an axis, as a share of the greatest magnitude on it."""


def new_figure(width: int, height: int, title: str = "") -> Figure:
    """White paper of so many pixels; a long title is broken into lines."""
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)  # inches to the edge
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, layout=layout)
    if title:
        figure.suptitle(textwrap.fill(title, (width - 40) // 13), fontsize=TITLE)
    return figure


def new_axes(figure: Figure, x: str, y: str, place: tuple[int, int, int] = (1, 1, 1)) -> Axes:
    """Axes at a place: rows, columns and which of them, from 1."""
    axes = figure.add_subplot(*place)
    axes.set_axisbelow(True)  # the grid
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=TICK)
    axes.set_xlabel(x, fontsize=LABEL)
    axes.set_ylabel(y, fontsize=LABEL)
    return axes


def scale_x(axes: Axes, positions: Sequence[float], log_x: bool, ticks: Sequence[str] | None) -> None:
    """Puts round numbers, or labels, below the positions."""
    if ticks is not None:
        slanted = sum(map(len, ticks)) > 70  # letters that fit side by side
        axes.set_xticks(range(len(ticks)), ticks, rotation=25 if slanted else 0, ha="right" if slanted else "center")
        axes.set_xlim(-0.4, len(ticks) - 0.6)
    elif log_x:
        axes.set_xscale("log")
        span = max(positions) / min(positions)
        steps = (1.0,) if span >= 1000 else (1.0, 2.0, 5.0) if span >= 10 else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
        axes.xaxis.set_major_locator(LogLocator(subs=steps))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    elif all(position.is_integer() for position in positions):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))  # there is no epoch 2.5


def wide_enough(values: Sequence[float]) -> tuple[float, float]:
    """Ends of an axis for values, never so near that differences of a few percent fill it.

    Args:
        values: finite ones count; without any the ends are 0 and 1.

    Returns:
        At least ``LEAST_SPAN`` of the greatest magnitude apart; then a margin. What lies in 0..1, such as a share, or
        above 0, is not given room beyond these but for the margin.
    """
    finite = [float(value) for value in values if np.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    span = max(high - low, LEAST_SPAN * max(abs(low), abs(high))) or 1.0
    start = (low + high - span) / 2
    if low >= 0 and high <= 1:
        start = min(start, 1 - span)
    if low >= 0:
        start = max(start, 0.0)
    margin = 0.04 * span
    return start - margin, start + span + margin


def class_colours(count: int) -> np.ndarray:
    """(count, 4) RGBA of so many classes: picked by number; with up to ten there is no need for pale ones."""
    if count <= MOST_COLOURS:
        return colormaps["tab10" if count <= 10 else "tab20"](np.arange(count))
    return colormaps["gist_rainbow"](np.linspace(0, 1, count))


def legend_columns(names: Sequence[str], width: int) -> int:
    """How many columns of a legend fit into ``width`` pixels."""
    return max(1, min(len(names), width // (60 + 10 * max(map(len, names)))))


def add_legend(figure: Figure, marks: Sequence[Line2D], names: Sequence[str], columns: int) -> None:
    """Names beside their marks, below the axes."""
    figure.legend(
        marks, names, loc="outside lower center", ncols=columns, fontsize=TICK, frameon=False, columnspacing=1.2
    )


def render(figure: Figure) -> "Tensor":
    """Draws the figure: uint8 (3, H, W)."""
    import torch  # here, for whoever draws without it

    return torch.from_numpy(pixels(figure)).permute(2, 0, 1).contiguous()


def pixels(figure: Figure) -> np.ndarray:
    """Draws the figure: uint8 (H, W, 3)."""
    canvas = FigureCanvasAgg(figure)
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # a dollar sign in a name is a dollar sign
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()
