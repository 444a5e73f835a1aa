"""Attributes of classes as heat: what they are, and what is seen of them."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from leyden.visualization.figure import LABEL, new_figure, render

ROWS, NAMED = 40, 60
"""Classes that are drawn at most, evenly chosen, and attributes up to which each has its name."""
CELL, LETTER = 16, 7
"""Pixels of a cell's side and of a letter's width."""
FEW, LARGE = 12, 36
"""Up to so many rows and columns, cells have such a side."""


def draw_heat(panels: Mapping[str, Tensor], classes: Sequence[str], attributes: Sequence[str], title: str) -> Tensor:
    """Tables (C, A) of numbers side by side, a row per class, a column per attribute, from pale (0) to dark (1).

    Args:
        panels: by name; what lies outside 0..1 is drawn as the nearest of them.
        classes: C names, from the top; of more than 40 so many, evenly chosen, are drawn.
        attributes: A names, from the left; of more than 60 none is written.
        title: above them.

    Returns:
        uint8 (3, H, W).
    """
    chosen = torch.linspace(0, len(classes) - 1, min(ROWS, len(classes))).round().long().unique()
    names = [classes[place] for place in chosen.tolist()]
    side = CELL if len(attributes) <= NAMED else max(2, CELL * NAMED // len(attributes))
    row = CELL
    if max(len(attributes), len(names)) <= FEW:
        side = row = LARGE
    left, below = LETTER * max(map(len, names)) + 20, LETTER * max(map(len, attributes)) + 20
    width = left + len(panels) * (side * len(attributes) + 24) + 90
    figure = new_figure(max(640, width), max(240, row * len(names) + below + 90), title)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for place, (own, (name, values)) in enumerate(zip(axes, panels.items(), strict=True)):
        shown = own.imshow(values[chosen].numpy(), cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="none")
        own.set_title(name, fontsize=LABEL)
        own.set_xticks(range(len(attributes)) if len(attributes) <= NAMED else [])
        if len(attributes) <= NAMED:
            own.set_xticklabels(attributes, rotation=90, fontsize=9)
        own.set_yticks(range(len(names)), names if place == 0 else [""] * len(names), fontsize=9)
        own.tick_params(length=0)
    figure.colorbar(shown, ax=list(axes), fraction=0.03, pad=0.01)
    return render(figure)


def in_units(scores: Tensor, true: Tensor, known: Tensor) -> Tensor:
    """Scores of attributes in the unit of the attributes: shifted and scaled by the mean over classes with and without.

    Args:
        scores: (C, A) mean score of each class's examples, in any unit; nan for classes without examples.
        true: (C, A) attributes.
        known: (C,) bool, the classes that set shift and scale: the seen ones.

    Returns:
        (C, A): 0 where scores are those of seen classes whose attribute is below its mean over these, 1 of the others;
        where all have the same, 0.5. Values between that the attributes take are kept in proportion.
    """
    own, values = scores[known].nan_to_num(), true[known]
    high = values > values.mean(0)
    counts = high.sum(0), (~high).sum(0)
    above, under = (
        (part * mask).sum(0) / count.clamp(min=1)
        for part, mask, count in ((own, high, counts[0]), (own, ~high, counts[1]))
    )
    top, bottom = (
        (values * mask).sum(0) / count.clamp(min=1) for mask, count in ((high, counts[0]), (~high, counts[1]))
    )
    scaled = bottom + (scores - under) * (top - bottom) / (above - under).where(above != under, torch.ones(()))
    return torch.where((counts[0] > 0) & (counts[1] > 0), scaled, torch.full((), 0.5)).nan_to_num(0.5)
