"""Clouds of points: features on a plane, quality against cost."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.lines import Line2D
from torch import Tensor

from leyden.visualization.figure import (
    COLOURS,
    HEIGHT,
    MARKERS,
    MOST_COLOURS,
    TITLE,
    WIDTH,
    add_legend,
    class_colours,
    legend_columns,
    new_axes,
    new_figure,
    render,
    scale_x,
)


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
    palette = class_colours(len(names))
    width = 450 * len(left_right)
    columns = legend_columns(names, width)
    rows = -(-len(names) // columns) if legend else 0
    figure = new_figure(width, 500 + 25 * rows + (40 if title else 0), title)
    panels = figure.subplots(1, len(left_right), squeeze=False)[0]
    for axes, (name, places) in zip(panels, left_right.items(), strict=True):
        axes.scatter(*places.detach().cpu().T.numpy(), c=palette[labels.cpu()], s=18, linewidths=0)
        axes.set_title(name, fontsize=TITLE)
        axes.set(xticks=[], yticks=[])
        axes.set_aspect("equal", adjustable="datalim")
    if legend:
        dots = [Line2D([], [], color=colour, marker="o", markersize=8, linestyle="") for colour in palette]
        add_legend(figure, dots, names, columns)
    return render(figure)


def draw_domains(left_right: Mapping[str, Tensor], labels: Tensor, names: Sequence[str], domains: Tensor) -> Tensor:
    """Clouds of points of two domains side by side: above coloured by class, below by domain.

    Source points are dots, target points crosses, in both rows.

    Args:
        left_right: by title, such as "pixels" and "features": (N, 2) places, of any unit; axes carry no numbers.
        labels: (N,) class of each point.
        names: of the classes; up to 20 get a legend.
        domains: (N,) 0 for source, 1 for target.

    Returns:
        uint8 (3, 970 or more with a legend, 450 per panel).

    Raises:
        ValueError: no panels, or places, labels and domains differ in number.
    """
    if not left_right or any(len(places) != len(labels) for places in (*left_right.values(), domains)):
        raise ValueError(f"each panel needs one place and one domain for each of the {len(labels)} labels")
    palette, width = class_colours(len(names)), 450 * len(left_right)
    legend = [(f"class {name}", colour, "s") for name, colour in zip(names, palette, strict=True)]
    legend = legend if len(names) <= MOST_COLOURS else []
    legend += [
        (name, colour, mark) for name, colour, mark in zip(("source", "target"), class_colours(2), "ox", strict=True)
    ]
    columns = legend_columns([name for name, _, _ in legend], width)
    figure = new_figure(width, 930 + 25 * -(-len(legend) // columns))
    rows = figure.subplots(2, len(left_right), squeeze=False)
    colours = (palette[labels.cpu()], class_colours(2)[domains.cpu()])
    for row, (axes_row, own) in enumerate(zip(rows, colours, strict=True)):
        for axes, (title, places) in zip(axes_row, left_right.items(), strict=True):
            for domain, marker in enumerate("ox"):
                chosen = (domains == domain).cpu().numpy()
                size = {"o": 16, "x": 22}[marker]
                xy = places.detach().cpu().numpy()[chosen]
                axes.scatter(*xy.T, c=own[chosen], s=size, marker=marker, linewidths=0 if marker == "o" else 1.3)
            axes.set_title(f"{title}, by {('class', 'domain')[row]}", fontsize=TITLE)
            axes.set(xticks=[], yticks=[])
            axes.set_aspect("equal", adjustable="datalim")
    marks = [Line2D([], [], color=colour, marker=marker, markersize=8, linestyle="") for _, colour, marker in legend]
    add_legend(figure, marks, [name for name, _, _ in legend], columns)
    return render(figure)


def draw_weighted(
    places: Tensor, weights: Tensor, labels: Tensor, names: Sequence[str], others: Tensor, title: str
) -> Tensor:
    """Weighted source examples among those of the target, on a plane: the area of a dot is its weight.

    Args:
        places: (N, 2) of the source, on axes with a meaning of their own.
        weights: (N,) 0 or more.
        labels: (N,) classes of the source.
        names: of the classes.
        others: (M, 2) of the target, small grey crosses.
        title: above.

    Returns:
        uint8 (3, 600, 900).

    Raises:
        ValueError: places, weights and labels differ in number.
    """
    if not len(places) == len(weights) == len(labels):
        raise ValueError(f"there are {len(places)} places, {len(weights)} weights and {len(labels)} labels")
    palette = class_colours(len(names))
    figure = new_figure(WIDTH, HEIGHT, title)
    axes = new_axes(figure, "first principal component of both domains", "second", (1, 1, 1))
    (x, y), (other_x, other_y) = places.cpu().numpy().T, others.cpu().numpy().T
    axes.scatter(other_x, other_y, s=14, marker="x", linewidths=0.8, color="0.6")
    area = (weights.double() / weights.double().mean().clamp(min=1e-12) * 40).cpu().numpy()
    axes.scatter(x, y, s=area, c=palette[labels.cpu()], alpha=0.75, edgecolors="0.2", linewidths=0.5)
    marks = [Line2D([], [], color=colour, marker="o", markersize=8, ls="") for colour in palette]
    marks += [Line2D([], [], color="0.6", marker="x", markersize=8, ls="")]
    legend = [*(f"{name}, source" for name in names), "target"]
    add_legend(figure, marks, legend, legend_columns(legend, WIDTH))
    return render(figure)


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
    figure = new_figure(width, HEIGHT, title)
    for number, (x, panel) in enumerate(panels.items(), start=1):
        axes = new_axes(figure, x, y if number == 1 else "", (1, len(panels), number))
        for name, (xs, ys) in panel.items():
            colour, marker = looks[name]
            axes.scatter(xs, ys, s=30, alpha=0.4, linewidths=0, color=colour, marker=marker)
            axes.scatter([np.exp(np.mean(np.log(xs)))], [np.mean(ys)], s=130, color=colour, marker=marker)
        axes.grid(color="0.88")
        scale_x(axes, [x for xs, _ in panel.values() for x in xs], log_x=True, ticks=None)
    marks = [Line2D([], [], color=colour, marker=marker, markersize=10, ls="") for colour, marker in looks.values()]
    add_legend(figure, marks, names, legend_columns(names, width))
    return render(figure)
