"""Charts side by side on one sheet, each with its own axis and legend: losses beside scores."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from matplotlib.lines import Line2D
from torch import Tensor

from leyden.visualization.figure import (
    COLOURS,
    HEIGHT,
    MARKERS,
    add_legend,
    legend_columns,
    new_axes,
    new_figure,
    render,
    scale_x,
)

PANEL = 640
"""Width of a panel in pixels."""
MANY = 60
"""Of more points a running mean is drawn, and the points themselves pale behind it."""


class Panel(NamedTuple):
    """One of the charts."""

    y: str
    """What the heights are, with unit."""
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    """Positions and heights by name, at least one point each."""
    stars: Mapping[str, tuple[float, float]] = MappingProxyType({})
    """Single points that matter, such as the best one, by name."""


def draw_curve_panels(panels: Sequence[Panel], x: str, title: str = "") -> Tensor:
    """Panels from left to right over one kind of x axis.

    Args:
        panels: at least one, each with at least one curve.
        x: what the positions are, with unit.
        title: above all panels.

    Returns:
        uint8 (3, 600, 640 per panel).

    Raises:
        ValueError: no panels, a panel without a curve, or a curve without points.
    """
    if not panels or not all(
        panel.curves and all(len(xs) == len(ys) > 0 for xs, ys in panel.curves.values()) for panel in panels
    ):
        raise ValueError("no points to draw")
    whole = new_figure(PANEL * len(panels), HEIGHT, title)
    parts = whole.subfigures(1, len(panels), squeeze=False)[0]
    last = max(float(place) for panel in panels for xs, _ in panel.curves.values() for place in xs)
    for figure, panel in zip(parts, panels, strict=True):
        axes = new_axes(figure, x, panel.y)
        marks: list[Line2D] = []
        for i, (xs, ys) in enumerate(panel.curves.values()):
            colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
            if len(xs) > MANY:
                axes.plot(xs, ys, color=colour, linewidth=1, alpha=0.25)
            marks += axes.plot(
                xs, running_mean(ys), color=colour, marker=marker, markersize=6, markevery=max(1, len(xs) // 12),
                linewidth=2.2,
            )  # fmt: skip
        for i, (place, height) in enumerate(panel.stars.values(), start=len(panel.curves)):
            marks += axes.plot(
                [place], [height], color=COLOURS[i % len(COLOURS)], marker="*", markersize=17, linestyle="none",
                markeredgecolor="white", zorder=4,
            )  # fmt: skip
        axes.grid(color="0.88")
        axes.set_xlim(0, 1.03 * max(last, 1.0))  # the same in all panels
        scale_x(axes, [last], False, None)
        names = [*panel.curves, *panel.stars]
        add_legend(figure, marks, names, legend_columns(names, PANEL))
    return render(whole)


def running_mean(values: Sequence[float]) -> Sequence[float]:
    """Of more than ``MANY`` values each with its neighbours, a twentieth of all; at the ends of fewer."""
    reach = len(values) // 40 if len(values) > MANY else 0
    sums = np.concatenate([[0.0], np.cumsum(values, dtype=float)])
    places = np.arange(len(values))
    low, high = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(values))
    return (sums[high] - sums[low]) / (high - low) if reach else values
