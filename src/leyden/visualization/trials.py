"""Charts of a search: what its trials reached one after another, and with which settings."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from torch import Tensor

from leyden.visualization.figure import (
    COLOURS,
    HEIGHT,
    LABEL,
    TICK,
    WIDTH,
    add_legend,
    new_axes,
    new_figure,
    render,
    scale_x,
    wide_enough,
)

TICKS = 5
"""Numbers beside the axis of a setting."""
LONGEST = 16
"""Letters of a choice; what is longer is cut."""


def draw_history(values: Mapping[int, float], y: str, mode: str) -> Tensor:
    """A point per trial, and a line of the best so far.

    Args:
        values: finite, by the trials' numbers, in their order; at least one.
        y: what was searched for.
        mode: "max" or "min" of it is best.

    Returns:
        uint8 (3, 600, 900).
    """
    figure = new_figure(WIDTH, HEIGHT, "Trials that were run to their end")
    axes = new_axes(figure, "trial", y)
    numbers, reached = list(values), list(values.values())
    best = (np.maximum if mode == "max" else np.minimum).accumulate(reached)
    axes.scatter(numbers, reached, s=60, color=COLOURS[0], zorder=3)
    axes.step(numbers, best, where="post", color=COLOURS[1], linewidth=2.2)
    axes.set_ylim(wide_enough(reached))
    axes.grid(color="0.88")
    scale_x(axes, [float(number) for number in numbers], log_x=False, ticks=None)
    marks = [
        Line2D([], [], color=COLOURS[0], marker="o", linestyle=""),
        Line2D([], [], color=COLOURS[1], linewidth=2.2),
    ]
    add_legend(figure, marks, ["a trial", "the best so far"], 2)
    return render(figure)


def draw_parallel(
    settings: Mapping[str, Sequence[float | str | None]],
    logarithmic: set[str],
    values: Sequence[float],
    y: str,
    mode: str,
) -> Tensor:
    """A line per trial through an axis per setting, to what it reached; the better, the darker, the best one orange.

    Args:
        settings: of the n trials, by name: numbers, or names of choices; None where a trial has no such setting.
        logarithmic: the settings whose numbers, all above 0, stand on a logarithmic axis.
        values: n finite ones that the trials reached.
        y: what these are.
        mode: "max" or "min" of them is best.

    Returns:
        uint8 (3, 600, 900 or more: 180 per setting).
    """
    columns = {name: _places(found, name in logarithmic) for name, found in settings.items()}
    columns[y] = _places(values, False)
    figure = new_figure(max(WIDTH, 180 * len(columns)), HEIGHT, "A line for each trial: its settings, what it reached")
    axes = new_axes(figure, "", "")
    order = np.argsort(values) if mode == "max" else np.argsort(values)[::-1]  # the best on top
    span = Normalize(min(values), max(values) if max(values) > min(values) else min(values) + 1)
    shades = colormaps["viridis_r" if mode == "max" else "viridis"]  # dark: good
    for place, trial in enumerate(order):
        best = place == len(order) - 1
        heights = [places[trial] for places, _ in columns.values()]
        colour = COLOURS[1] if best else shades(span(values[trial]))
        axes.plot(range(len(heights)), heights, color=colour, linewidth=3.5 if best else 1.8, marker="o", markersize=4)
    for at, (_, ticks) in enumerate(columns.values()):
        axes.axvline(at, color="0.5", linewidth=1, zorder=0)
        for height, text in ticks:
            axes.annotate(
                text,
                (at, height),
                (5, 0),
                textcoords="offset points",
                va="center",
                fontsize=TICK - 2,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1},
            )
    names = [name if len(name) <= LONGEST else name.replace(".", ".\n") for name in columns]
    axes.set_xticks(range(len(columns)), names, fontsize=LABEL - 2)
    axes.set_xlim(-0.3, len(columns) - 0.4)
    axes.set_yticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    bar = figure.colorbar(ScalarMappable(span, shades), ax=axes, fraction=0.03, pad=0.01)
    bar.ax.tick_params(labelsize=TICK - 2)
    bar.set_label(y, fontsize=LABEL - 2)
    add_legend(figure, [Line2D([], [], color=COLOURS[1], linewidth=3.5)], ["the best trial"], 1)
    return render(figure)


def _places(found: Sequence[float | str | None], logarithmic: bool) -> tuple[list[float], list[tuple[float, str]]]:
    """Heights in 0..1 of a setting's values, nan where there is none, and what is written at which height."""
    known = [value for value in found if value is not None]
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in known):
        names = list(dict.fromkeys(map(str, known)))
        at = {name: (i + 0.5) / len(names) for i, name in enumerate(names)}
        ticks = [(height, name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…") for name, height in at.items()]
        return [np.nan if value is None else at[str(value)] for value in found], ticks
    numbers = np.array([np.nan if value is None else float(value) for value in found])
    scaled = np.log10(numbers) if logarithmic else numbers
    low, high = float(np.nanmin(scaled)), float(np.nanmax(scaled))
    if low == high:
        return [0.5 if value is not None else np.nan for value in found], [(0.5, f"{known[0]:.3g}")]
    heights = (scaled - low) / (high - low)
    marks = np.linspace(low, high, TICKS)
    ticks = [((mark - low) / (high - low), f"{10**mark if logarithmic else mark:.3g}") for mark in marks]
    return heights.tolist(), ticks
