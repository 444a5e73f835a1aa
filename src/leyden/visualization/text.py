"""Charts about texts: how long they are, and which words matter."""

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from leyden.visualization.figure import COLOURS, HEIGHT, WIDTH, add_legend, new_axes, new_figure, render

BINS = 40


def draw_lengths(words: Mapping[str, Tensor], title: str) -> Tensor:
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
    edges = np.unique(np.geomspace(1, most + 2, BINS + 1).round())
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
