"""Charts: curves with their spread, bars per class, spreads per name, histograms."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from leyden.visualization.figure import (
    COLOURS,
    HEIGHT,
    LABEL,
    MARKERS,
    TICK,
    WIDTH,
    add_legend,
    class_colours,
    legend_columns,
    new_axes,
    new_figure,
    render,
    scale_x,
    wide_enough,
)

if TYPE_CHECKING:  # `leyden compare` draws without torch
    from torch import Tensor

Curve = tuple[Sequence[float], Sequence[float], Sequence[float] | None]
"""Positions, heights, and the spread around the heights where it is known."""

MOST_BARS = 60
LENGTH_BINS = 40


def draw_curves(
    curves: Mapping[str, Curve],
    x: str,
    y: str,
    title: str = "",
    log_x: bool = False,
    ticks: Sequence[str] | None = None,
    mark: float | None = None,
    main: str | None = None,
) -> "Tensor":
    """``curves_figure`` as an image: uint8 (3, 600, 900)."""
    return render(curves_figure(curves, x, y, title, log_x, ticks, mark, main))


def curves_figure(
    curves: Mapping[str, Curve],
    x: str,
    y: str,
    title: str = "",
    log_x: bool = False,
    ticks: Sequence[str] | None = None,
    mark: float | None = None,
    main: str | None = None,
) -> Figure:
    """Lines with markers, each in a band of plus and minus its spread, and a legend below that hides none of them.

    Args:
        curves: by name: n positions, n heights (nan leaves a gap), n spreads >= 0 in the unit of the heights or None.
        x: what the positions are, with unit.
        y: what the heights are, with unit.
        title: above the chart.
        log_x: positions on a logarithmic axis.
        ticks: labels below the positions 0, 1, 2, ... where a position is a category; not with ``log_x``.
        mark: position of a dashed vertical line.
        main: the curve that matters among many: black and thick on top of the others, which are thin, without markers.

    Returns:
        of 900 to 600 pixels.

    Raises:
        ValueError: no points, a curve's lengths differ, a position that a logarithmic axis does not have.
    """
    positions = [float(value) for xs, _, _ in curves.values() for value in xs]
    if not positions:
        raise ValueError("no points to draw")
    if log_x and (ticks is not None or min(positions) <= 0):
        raise ValueError("a logarithmic axis needs positions above 0 and no labels below them")
    figure = new_figure(WIDTH, HEIGHT, title)
    axes = new_axes(figure, x, y)
    lines: list[Line2D] = []
    heights: list[float] = []
    for i, (name, (xs, ys, spread)) in enumerate(curves.items()):
        if len(xs) != len(ys) or (spread is not None and len(spread) != len(ys)):
            raise ValueError(f"curve {name!r}: positions, heights and spreads differ in number")
        colour = COLOURS[i % len(COLOURS)]
        if main is None:
            look: dict[str, Any] = {
                "marker": MARKERS[i % len(MARKERS)],
                "markersize": 7,
                "markevery": max(1, len(xs) // 20),  # a thousand markers would be a sausage
                "linewidth": 2.2,
            }
        elif name == main:
            colour, look = "black", {"linewidth": 3.5, "zorder": 3}
        else:
            palette = class_colours(len(curves) - 1)
            colour, look = palette[i % len(palette)], {"linewidth": 1.5}
        lines += axes.plot(xs, ys, color=colour, **look)
        heights += ys
        if spread is not None:
            low, high = np.subtract(ys, spread), np.add(ys, spread)
            heights += [*low, *high]
            axes.fill_between(xs, low, high, color=colour, alpha=0.18, linewidth=0)
    if mark is not None:
        axes.axvline(mark, color="0.35", linestyle="--", linewidth=1.6)
    axes.grid(color="0.88")
    axes.set_ylim(wide_enough(heights))
    scale_x(axes, positions, log_x, ticks)
    add_legend(figure, lines, list(curves), legend_columns(list(curves), WIDTH))
    return figure


def draw_bars(values: Mapping[str, float], x: str, title: str, mean: bool = False, whole: bool = True) -> "Tensor":
    """A horizontal bar per name with its number behind it, in the mapping's order from the top.

    Args:
        values: by name, in 0..1, such as the accuracy per class; nan (nothing to measure) has no bar but a dash.
            Of more than 60 only the 60 lowest are drawn, and the title says so.
        x: what the values are.
        title: above the bars.
        mean: draw a dashed line at the mean of all values.
        whole: the axis reaches to 1; False: to the greatest value, for numbers that are all small.

    Returns:
        uint8 (3, H, 900); H grows by 25 pixels per bar.

    Raises:
        ValueError: no values, or one outside 0..1.
    """
    if not values or any(value < 0 or value > 1 for value in values.values()):
        raise ValueError(f"bars need values in 0..1, got {dict(values)}")
    names = list(values)
    if len(names) > MOST_BARS:
        title = f"{title} (the {MOST_BARS} lowest of {len(names)})"
        lowest = sorted(names, key=lambda name: np.nan_to_num(values[name], nan=2.0))[:MOST_BARS]
        names = sorted(lowest, key=names.index)
    heights = [values[name] for name in names]
    figure = new_figure(WIDTH, (190 if mean else 150) + 25 * len(names), title)
    axes = new_axes(figure, x, "")
    bars = axes.barh(range(len(names)), np.nan_to_num(heights), height=0.75, color=COLOURS[0])
    numbers = ["–" if np.isnan(value) else f"{value:.{2 if whole else 3}f}" for value in heights]
    plate = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # a line below does not cross the number
    axes.bar_label(bars, numbers, padding=4, fontsize=TICK, bbox=plate)
    axes.set_yticks(range(len(names)), [name if len(name) <= 40 else f"{name[:39]}…" for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)  # downwards, the first on top
    if whole:
        axes.set_xticks(np.linspace(0, 1, 6))
    most = 1.0 if whole else max(float(np.nanmax([0.0, *heights])), 1e-3)
    axes.set_xlim(0, 1.08 * most)  # room for the number behind a full bar
    if mean and not all(np.isnan(value) for value in values.values()):
        average = float(np.nanmean(list(values.values())))
        line = axes.axvline(average, color="0.2", linestyle="--", linewidth=1.6)
        add_legend(figure, [line], [f"mean {average:.3f}"], 1)
    axes.grid(axis="x", color="0.88")
    return render(figure)


def spreads_figure(values: Mapping[str, Sequence[float]], x: str) -> Figure:
    """A line per name, from the top: its mean in a whisker of one standard deviation, its values as pale dots below.

    Args:
        values: finite, by name, such as a score per seed; a name may have none.
        x: what the values are, with unit.

    Returns:
        900 pixels wide; its height grows by 40 per name.

    Raises:
        ValueError: no values at all.
    """
    if not any(values.values()):
        raise ValueError("no values to draw")
    figure = new_figure(WIDTH, 130 + 40 * len(values))
    axes = new_axes(figure, x, "")
    for place, numbers in enumerate(values.values()):
        colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
        axes.scatter(numbers, [place + 0.25] * len(numbers), s=40, alpha=0.35, linewidths=0, color=colour)
        if numbers:
            spread = np.std(numbers, ddof=1) if len(numbers) > 1 else None
            axes.errorbar(np.mean(numbers), place, xerr=spread, color=colour, fmt=marker, ms=9, capsize=6, lw=2.2)
    axes.set_yticks(range(len(values)), list(values))
    axes.set_ylim(len(values) - 0.4, -0.6)  # downwards, the first on top
    axes.set_xlim(wide_enough(axes.get_xlim()))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.grid(color="0.88")
    return figure


def draw_histogram(values: "Tensor", x: str, title: str, mark: float, mark_name: str, bins: int = 40) -> "Tensor":
    """A histogram of values with a dashed line at one place.

    Args:
        values: (N,) finite, N >= 1.
        x: what they are, with unit.
        title: above the chart.
        mark: where the line stands.
        mark_name: what it means, for the legend.
        bins: of equal width.

    Returns:
        uint8 (3, 600, 900).

    Raises:
        ValueError: no values.
    """
    if not len(values):
        raise ValueError("no values to draw")
    figure = new_figure(WIDTH, HEIGHT, title)
    axes = new_axes(figure, x, "examples")
    axes.hist(values.detach().cpu().double().numpy(), bins=bins, color=COLOURS[0])
    axes.set_yscale("symlog")  # a few large weights beside many small ones are to be seen
    most = axes.get_ylim()[1]
    ticks = [0, *(tick for power in range(7) for tick in (10**power, 3 * 10**power) if tick <= most)]
    axes.set_yticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    line = axes.axvline(mark, color="0.2", linestyle="--", linewidth=1.6)
    axes.grid(color="0.88")
    add_legend(figure, [line], [mark_name], 1)
    return render(figure)


def draw_lengths(words: "Mapping[str, Tensor]", title: str) -> "Tensor":
    """Histograms of the numbers of words, a line for each name, in bins that grow.

    Args:
        words: (N,) by name, N >= 0, such as a class; numbers of words.
        title: above the chart.

    Returns:
        uint8 (3, 600, 900).

    Raises:
        ValueError: no text at all.
    """
    if not any(len(count) for count in words.values()):
        raise ValueError("no text to count words of")
    most = max(int(count.max()) for count in words.values() if len(count))
    edges = np.unique(np.geomspace(1, most + 2, LENGTH_BINS + 1).round())
    figure = new_figure(WIDTH, HEIGHT, title)
    axes = new_axes(figure, "words in a text", "texts")
    lines = []
    for place, count in enumerate(words.values()):
        heights, _ = np.histogram(count.numpy().clip(1), edges)
        lines += [axes.stairs(heights, edges, color=COLOURS[place % len(COLOURS)], linewidth=2.2)]
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.grid(color="0.88")
    names = [f"{name}: {len(count):,}" for name, count in words.items()]
    add_legend(figure, lines, names, min(4, len(names)))  # type: ignore[arg-type]  # StepPatch has a handle, too
    return render(figure)


def draw_words(panels: Mapping[str, Mapping[str, tuple[float, float]]], class_names: Sequence[str]) -> "Tensor":
    """Words with bars to the right (second class) and to the left (first class), panels side by side on one scale.

    Args:
        panels: by title, words from the top, each with its weight and, as a dot, that of the source alone; a panel may
            be empty.
        class_names: of the two classes.

    Returns:
        uint8 (3, H, 900 or more); H grows with the longest panel.
    """
    rows = max([1, *map(len, panels.values())])
    figure = new_figure(WIDTH // 2 * max(2, len(panels)), 170 + 26 * rows)
    most = max([1e-9, *(abs(weight) for words in panels.values() for both in words.values() for weight in both)])
    for place, (title, words) in enumerate(panels.items()):
        axes = new_axes(figure, "weight", "", (1, len(panels), place + 1))
        heights = [height for height, _ in words.values()]
        colours = [COLOURS[0] if height >= 0 else COLOURS[1] for height in heights]
        axes.barh(range(len(heights)), heights, height=0.75, color=colours)
        axes.scatter([alone for _, alone in words.values()], range(len(heights)), s=36, color="black", zorder=3)
        axes.set_yticks(range(len(heights)), [word if len(word) <= 22 else f"{word[:21]}…" for word in words])
        axes.set_ylim(rows - 0.4, -0.6)
        axes.set_xlim(-1.05 * most, 1.05 * most)
        axes.set_title(title, fontsize=LABEL)
        axes.axvline(0, color="0.2", linewidth=1)
        axes.grid(axis="x", color="0.88")
    marks = [Line2D([], [], color=colour, marker="s", markersize=10, linestyle="") for colour in COLOURS[1::-1]]
    marks.append(Line2D([], [], color="black", marker="o", markersize=6, linestyle=""))
    names = [*(f"for {name}" for name in class_names), "learnt from the source alone"]
    add_legend(figure, marks, names, 3)
    return render(figure)
