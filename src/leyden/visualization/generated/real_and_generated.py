"""Columns, correlations and clouds of real rows beside those of generated ones."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from torch import Tensor

from leyden.visualization.figure import (
    COLOURS,
    LABEL,
    TICK,
    add_legend,
    class_colours,
    legend_columns,
    new_figure,
    render,
)

BINS = 30
WORDS = 8
"""Categories of a column that get bars."""
PANEL = (300, 220)
COLUMNS = 4
SIDES = ("real", "generated")


class ColumnPair(NamedTuple):
    """One column of both tables."""

    name: str
    real: np.ndarray
    """(N,) numbers, or words."""
    generated: np.ndarray
    """(M,)."""
    distance: float | None
    """Of the two, for the title."""


def draw_columns(columns: Sequence[ColumnPair], title: str, sides: tuple[str, str] = SIDES) -> Tensor:
    """A panel for each column: histograms of numbers, shares of words, both tables in each.

    Args:
        columns: what is drawn.
        title: above the panels.
        sides: what the two tables are.

    Returns:
        uint8 (3, H, 300 per panel of a line), four panels in a line.

    Raises:
        ValueError: no columns.
    """
    if not columns:
        raise ValueError("there is no column to draw")
    across = min(COLUMNS, len(columns))
    down = -(-len(columns) // across)
    figure = new_figure(PANEL[0] * max(2, across), PANEL[1] * down + 90, title)
    panels = figure.subplots(down, across, squeeze=False)
    for axes in panels.flat[len(columns) :]:
        axes.set_axis_off()
    for axes, column in zip(panels.flat, columns, strict=False):
        if column.real.dtype.kind in "fiu":
            _histograms(axes, column)
        else:
            _bars(axes, column)
        number = "" if column.distance is None else f" {column.distance:.2f}"
        axes.set_title(_cut(column.name, 28) + number, fontsize=TICK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9)
        axes.set_yticks([])
    marks = [Line2D([], [], color=colour, linewidth=6) for colour in COLOURS[:2]]
    add_legend(figure, marks, sides, 2)
    return render(figure)


def _histograms(axes: Axes, column: ColumnPair) -> None:
    both = [values[np.isfinite(values)] for values in (column.real, column.generated)]
    if not sum(map(len, both)):  # every cell is empty
        return
    low, high = np.percentile(np.concatenate(both), (0.5, 99.5))
    edges: list[float] = np.linspace(low, high if high > low else low + 1, BINS + 1).tolist()
    for values, colour, filled in zip(both, COLOURS, (True, False), strict=False):
        weights = np.full(len(values), 1 / max(1, len(values)))
        style: dict[str, Any] = (
            {"histtype": "stepfilled", "alpha": 0.45} if filled else {"histtype": "step", "linewidth": 2.0}
        )
        axes.hist(np.clip(values, edges[0], edges[-1]), edges, weights=weights, color=colour, **style)


def _bars(axes: Axes, column: ColumnPair) -> None:
    words, counts = np.unique(np.concatenate([column.real, column.generated]), return_counts=True)
    words = words[np.argsort(-counts, kind="stable")][:WORDS]
    for number, (values, colour) in enumerate(zip((column.real, column.generated), COLOURS, strict=False)):
        heights = [(values == word).mean() if len(values) else 0.0 for word in words]
        axes.bar(np.arange(len(words)) + 0.4 * number - 0.2, heights, 0.38, color=colour, alpha=0.8)
    names = [_cut(str(word), 12) if str(word).strip() else "(empty)" for word in words]
    axes.set_xticks(range(len(words)), names, rotation=30 if sum(map(len, names)) > 24 else 0, ha="center")


def _cut(name: str, length: int) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"


def draw_correlations(panels: Mapping[str, np.ndarray], names: Sequence[str], title: str) -> Tensor:
    """Matrices of correlations side by side, red for 1, blue for -1.

    Args:
        panels: by title, (F, F) in -1..1.
        names: of the F columns; written where they are few.
        title: above.

    Returns:
        uint8 (3, 480 or more, 400 per panel).
    """
    named = len(names) <= 16
    figure = new_figure(400 * len(panels) + 160, 470 + 60 * named, title)
    for number, (axes, (name, matrix)) in enumerate(
        zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True)
    ):
        shown = axes.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1)
        axes.set_title(name, fontsize=LABEL)
        short = [_cut(each, 16) for each in names]
        if named:
            axes.set_xticks(range(len(names)), short, rotation=60, ha="right", fontsize=9)
            axes.set_yticks(range(len(names)), short if number == 0 else [""] * len(names), fontsize=9)
        else:
            axes.set(xticks=[], yticks=[])
    figure.colorbar(shown, ax=figure.axes, shrink=0.75)
    return render(figure)


def draw_clouds(
    panels: Mapping[str, tuple[Tensor, Tensor]], names: Sequence[str], axes_names: tuple[str, str], title: str
) -> Tensor:
    """Clouds of points side by side on the same axes, coloured by class.

    Args:
        panels: by title, places (N, 2) and classes (N,).
        names: of the classes; one of them needs no legend.
        axes_names: of both axes.
        title: above.

    Returns:
        uint8 (3, 520 or more, 440 per panel).
    """
    palette = class_colours(max(1, len(names))) if len(names) > 2 else np.array([COLOURS[0], COLOURS[1]])
    width = 440 * len(panels)
    figure = new_figure(width, 560, title)
    subplots = figure.subplots(1, len(panels), squeeze=False, sharex=True, sharey=True)[0]
    for axes, (name, (places, labels)) in zip(subplots, panels.items(), strict=True):
        x, y = places.cpu().double().numpy().T
        axes.scatter(x, y, c=palette[labels.cpu().numpy()], s=9, alpha=0.6, linewidths=0)
        axes.set_title(name, fontsize=LABEL)
        axes.set_xlabel(axes_names[0], fontsize=TICK)
        axes.spines[["top", "right"]].set_visible(False)
    subplots[0].set_ylabel(axes_names[1], fontsize=TICK)
    first = panels[next(iter(panels))][0].double()  # the axes show the first panel's range, and a little more
    low, high = first.min(0).values, first.max(0).values
    margin = 0.15 * (high - low)
    subplots[0].set_xlim(float(low[0] - margin[0]), float(high[0] + margin[0]))
    subplots[0].set_ylim(float(low[1] - margin[1]), float(high[1] + margin[1]))
    if len(names) > 1:
        marks = [Line2D([], [], color=colour, marker="o", markersize=8, linestyle="") for colour in palette]
        add_legend(figure, marks[: len(names)], names, legend_columns(names, width))
    return render(figure)
