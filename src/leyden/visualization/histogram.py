"""How values are distributed."""

from torch import Tensor

from leyden.visualization.figure import COLOURS, HEIGHT, WIDTH, add_legend, new_axes, new_figure, render


def draw_histogram(values: Tensor, x: str, title: str, mark: float, mark_name: str, bins: int = 40) -> Tensor:
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
