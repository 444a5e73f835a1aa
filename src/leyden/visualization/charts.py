"""Charts: curves with their spread, bars per class, clouds of points.

Imports matplotlib, so import this module where a chart is drawn. Figures are drawn without pyplot: nothing global
changes, no window opens, nothing must be closed.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from torch import Tensor

Curve = tuple[Sequence[float], Sequence[float], Sequence[float] | None]
"""Positions, heights, and the spread around the heights where it is known."""

# Okabe and Ito's colours that colour-blind people tell apart, less the yellow, which white paper swallows. Seven
# colours and five markers give 35 curves of their own.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v")
DPI, WIDTH, HEIGHT = 100, 900, 600  # pixels per inch, pixels
TITLE, LABEL, TICK = 17, 15, 13  # font sizes in points
MOST_BARS, MOST_COLOURS = 60, 20


def draw_curves(
    curves: Mapping[str, Curve],
    x: str,
    y: str,
    title: str = "",
    log_x: bool = False,
    ticks: Sequence[str] | None = None,
    mark: float | None = None,
    main: str | None = None,
) -> Tensor:
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
        uint8 (3, 600, 900).

    Raises:
        ValueError: no points, a curve's lengths differ, a position that a logarithmic axis does not have.
    """
    positions = [float(value) for xs, _, _ in curves.values() for value in xs]
    if not positions:
        raise ValueError("no points to draw")
    if log_x and (ticks is not None or min(positions) <= 0):
        raise ValueError("a logarithmic axis needs positions above 0 and no labels below them")
    figure = _figure(WIDTH, HEIGHT, title)
    axes = _axes(figure, x, y)
    lines: list[Line2D] = []
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
            palette = _palette(len(curves) - 1)
            colour, look = palette[i % len(palette)], {"linewidth": 1.5}
        lines += axes.plot(xs, ys, color=colour, **look)
        if spread is not None:
            low, high = np.subtract(ys, spread), np.add(ys, spread)
            axes.fill_between(xs, low, high, color=colour, alpha=0.18, linewidth=0)
    if mark is not None:
        axes.axvline(mark, color="0.35", linestyle="--", linewidth=1.6)
    axes.grid(color="0.88")
    _scale(axes, positions, log_x, ticks)
    _legend(figure, lines, list(curves), _columns(list(curves), WIDTH))
    return _draw(figure)


def draw_bars(values: Mapping[str, float], x: str, title: str, mean: bool = False, whole: bool = True) -> Tensor:
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
    figure = _figure(WIDTH, (190 if mean else 150) + 25 * len(names), title)
    axes = _axes(figure, x, "")
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
        _legend(figure, [line], [f"mean {average:.3f}"], 1)
    axes.grid(axis="x", color="0.88")
    return _draw(figure)


def draw_spreads(values: Mapping[str, Sequence[float]], x: str) -> Tensor:
    """A line per name, from the top: its mean in a whisker of one standard deviation, its values as pale dots below.

    Args:
        values: finite, by name, such as a score per seed; a name may have none.
        x: what the values are, with unit.

    Returns:
        uint8 (3, H, 900); H grows by 40 pixels per name.

    Raises:
        ValueError: no values at all.
    """
    if not any(values.values()):
        raise ValueError("no values to draw")
    figure = _figure(WIDTH, 130 + 40 * len(values))
    axes = _axes(figure, x, "")
    for place, numbers in enumerate(values.values()):
        colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
        axes.scatter(numbers, [place + 0.25] * len(numbers), s=40, alpha=0.35, linewidths=0, color=colour)
        if numbers:
            spread = np.std(numbers, ddof=1) if len(numbers) > 1 else None
            axes.errorbar(np.mean(numbers), place, xerr=spread, color=colour, fmt=marker, ms=9, capsize=6, lw=2.2)
    axes.set_yticks(range(len(values)), list(values))
    axes.set_ylim(len(values) - 0.4, -0.6)  # downwards, the first on top
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.grid(color="0.88")
    return _draw(figure)


def draw_points(left_right: Mapping[str, Tensor], labels: Tensor, names: Sequence[str], title: str = "") -> Tensor:
    """Clouds of points side by side, the same points in each, coloured by class.

    Args:
        left_right: by title, such as "before" and "after": (N, 2) places, of any unit; axes carry no numbers.
        labels: (N,) class of each point.
        names: of the classes; up to 20 get a legend, more are coloured along the rainbow without one.
        title: above the panels.

    Returns:
        uint8 (3, 500 or more with a legend or a title, 450 per panel).

    Raises:
        ValueError: no panels, or places and labels differ in number.
    """
    if not left_right or any(places.shape != (len(labels), 2) for places in left_right.values()):
        shapes = {title: tuple(places.shape) for title, places in left_right.items()}
        raise ValueError(f"each panel needs one place (2,) for each of the {len(labels)} labels, got {shapes}")
    legend = len(names) <= MOST_COLOURS
    palette = _palette(len(names))
    width = 450 * len(left_right)
    columns = _columns(names, width)
    rows = -(-len(names) // columns) if legend else 0
    figure = _figure(width, 500 + 25 * rows + (40 if title else 0), title)
    panels = figure.subplots(1, len(left_right), squeeze=False)[0]
    for axes, (name, places) in zip(panels, left_right.items(), strict=True):
        axes.scatter(*places.detach().cpu().T.numpy(), c=palette[labels.cpu()], s=18, linewidths=0)
        axes.set_title(name, fontsize=TITLE)
        axes.set(xticks=[], yticks=[])
        axes.set_aspect("equal", adjustable="datalim")
    if legend:
        dots = [Line2D([], [], color=colour, marker="o", markersize=8, linestyle="") for colour in palette]
        _legend(figure, dots, names, columns)
    return _draw(figure)


def draw_trade_offs(
    panels: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]], y: str, title: str
) -> Tensor:
    """Quality against cost: a panel per cost, a large point per name, its mean, among the points of its runs.

    Args:
        panels: by what is paid, with unit: by name, the cost (above 0, on a logarithmic axis) and the gain of each run.
        y: what is gained.
        title: above the panels.

    Returns:
        uint8 (3, 600, 450 per panel and at least 900).

    Raises:
        ValueError: no points, a cost that a logarithmic axis does not have.
    """
    names = list(dict.fromkeys(name for panel in panels.values() for name in panel))
    costs = [x for panel in panels.values() for xs, _ in panel.values() for x in xs]
    if not costs or min(costs) <= 0:
        raise ValueError("a trade-off needs points, and costs above 0")
    looks = {name: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, name in enumerate(names)}
    width = max(WIDTH, WIDTH // 2 * len(panels))
    figure = _figure(width, HEIGHT, title)
    for number, (x, panel) in enumerate(panels.items(), start=1):
        axes = _axes(figure, x, y if number == 1 else "", (1, len(panels), number))
        for name, (xs, ys) in panel.items():
            colour, marker = looks[name]
            axes.scatter(xs, ys, s=30, alpha=0.4, linewidths=0, color=colour, marker=marker)
            axes.scatter([np.exp(np.mean(np.log(xs)))], [np.mean(ys)], s=130, color=colour, marker=marker)
        axes.grid(color="0.88")
        _scale(axes, [x for xs, _ in panel.values() for x in xs], log_x=True, ticks=None)
    marks = [Line2D([], [], color=colour, marker=marker, markersize=10, ls="") for colour, marker in looks.values()]
    _legend(figure, marks, names, _columns(names, width))
    return _draw(figure)


def _figure(width: int, height: int, title: str = "") -> Figure:
    """White paper of so many pixels; a long title is broken into lines."""
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)  # inches to the edge
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, layout=layout)
    if title:
        figure.suptitle(textwrap.fill(title, width // 12), fontsize=TITLE)
    return figure


def _axes(figure: Figure, x: str, y: str, place: tuple[int, int, int] = (1, 1, 1)) -> Axes:
    """Axes at a place: rows, columns and which of them, from 1."""
    axes = figure.add_subplot(*place)
    axes.set_axisbelow(True)  # the grid
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=TICK)
    axes.set_xlabel(x, fontsize=LABEL)
    axes.set_ylabel(y, fontsize=LABEL)
    return axes


def _scale(axes: Axes, positions: Sequence[float], log_x: bool, ticks: Sequence[str] | None) -> None:
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


def _palette(count: int) -> np.ndarray:
    """(count, 4) RGBA of so many classes: picked by number; with up to ten there is no need for pale ones."""
    if count <= MOST_COLOURS:
        return colormaps["tab10" if count <= 10 else "tab20"](np.arange(count))
    return colormaps["gist_rainbow"](np.linspace(0, 1, count))


def _columns(names: Sequence[str], width: int) -> int:
    """How many columns of a legend fit into ``width`` pixels."""
    return max(1, min(len(names), width // (60 + 10 * max(map(len, names)))))


def _legend(figure: Figure, marks: Sequence[Line2D], names: Sequence[str], columns: int) -> None:
    figure.legend(marks, names, loc="outside lower center", ncols=columns, fontsize=TICK, frameon=False)


def _draw(figure: Figure) -> Tensor:
    """Draws the figure: uint8 (3, H, W)."""
    canvas = FigureCanvasAgg(figure)
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # a dollar sign in a name is a dollar sign
    canvas.draw()
    return torch.from_numpy(np.asarray(canvas.buffer_rgba())[:, :, :3].copy()).permute(2, 0, 1).contiguous()
