"""Where the words of a summary come from: the attention to the text that was read, and how much of each was copied.

Imports matplotlib, so import this module where a chart is drawn.
"""

from collections.abc import Sequence

from torch import Tensor

from leyden.visualization.figure import LABEL, new_figure, render

TOKENS = 40
"""Of a text, the first ones, that are shown."""
SMALL = 9
"""Font size of tokens in points."""
Panel = tuple[Sequence[str], Sequence[str], Tensor, Sequence[float]]


def draw_copying(panels: Sequence[Panel], title: str = "What each word was copied from") -> Tensor:
    """Maps of attention, one below the other, darker where more attention lies; beside each word its copied part.

    Args:
        panels: tokens of a text (S), tokens that were written (T), attention (T, S) that adds up to 1 for each written
            token, and the part of each that was copied (T), 0 to 1.
        title: above them.

    Returns:
        uint8 (3, H, 1100).

    Raises:
        ValueError: no panel.
    """
    if not panels:
        raise ValueError("no summary to draw")
    rows = [max(3, len(written)) for _, written, _, _ in panels]
    figure = new_figure(1100, 110 + sum(70 + 17 * count for count in rows), title)
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=[2 + count for count in rows])[:, 0]
    for axis, (source, written, attention, copied) in zip(axes, panels, strict=True):
        shown = attention[:, :TOKENS].float()
        axis.imshow(
            shown.numpy() if len(written) else shown.new_zeros(1, 1).numpy(), "Blues", vmin=0, vmax=1, aspect="auto"
        )
        axis.set_xticks(range(shown.shape[1]), source[:TOKENS], rotation=60, ha="right", fontsize=SMALL)
        axis.set_yticks(range(len(written)), written, fontsize=SMALL)
        right = axis.secondary_yaxis("right")
        right.set_yticks(range(len(written)), [f"{100 * part:.0f} %" for part in copied], fontsize=SMALL)
        axis.tick_params(length=0)
    figure.supylabel("written", fontsize=LABEL)
    figure.supxlabel("read; at the right the part of each word that is copied", fontsize=LABEL)
    return render(figure)
