"""SCL's pivots as an image: what each of them says, and which words of either domain come with it."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from lightning import LightningModule
from matplotlib.lines import Line2D
from torch import Tensor

from leyden.data.batches.domain_pair import Pair
from leyden.data.splits import InMemory
from leyden.transfer.domain.words import COMMON, OWN, frequencies
from leyden.visualization.figure import LABEL, TICK, add_legend, class_colours, new_axes, new_figure, render
from leyden.visualization.logging import log_image

SHOWN = 12
"""Pivots, the most informative ones."""
COMPANIONS = 3
"""Words of a domain beside each."""


class PivotRow(NamedTuple):
    """A pivot as it is drawn."""

    word: str
    information: float
    """With the source's labels, in nats."""
    label: int
    """The class in whose source texts it is most frequent."""
    of_source: Sequence[str]
    """Words that the source alone has and that come with it, the strongest first."""
    of_target: Sequence[str]


def companions(predictor: Tensor, own: Tensor) -> list[int]:
    """Places of the greatest weights above 0 of a pivot's predictor (D,), among the words ``own`` (D,) bool."""
    places = own.nonzero().flatten()
    order = places[predictor[places].argsort(descending=True, stable=True)].tolist()
    return [i for i in order[:COMPANIONS] if predictor[i] > 0]


def own_words(here: Tensor, there: Tensor) -> Tensor:
    """Which words (D,) bool are a domain's own: ``OWN`` times as frequent as in the other, and not rare.

    Args:
        here: (N, D) rows of that domain.
        there: (M, D) rows of the other.
    """
    now, before = frequencies(here), frequencies(there)
    return (now / now.sum() > OWN * before / before.sum()) & (now > COMMON)


def pivot_rows(
    places: Tensor, information: Tensor, predictors: Tensor, pair: Pair, names: Sequence[str]
) -> list[PivotRow]:
    """The pivots with their companions.

    Args:
        places: (m,) of the pivots among the features.
        information: (m,) of each, in nats.
        predictors: (D, m) weights.
        pair: the training rows of both domains.
        names: of the D features.
    """
    assert isinstance(pair.source, InMemory)
    assert isinstance(pair.target, InMemory)
    (source, labels), target = pair.source.columns, pair.target.columns.rows
    by_class = torch.stack([frequencies(source[labels == label]) for label in labels.unique()])
    found = []
    owned = own_words(source, target), own_words(target, source)
    for number, place in enumerate(places.tolist()):
        other = torch.tensor([not set(name.split()) & set(names[place].split()) for name in names])  # not "very easy"
        beside = [[names[i] for i in companions(predictors[:, number], own & other)] for own in owned]
        found.append(PivotRow(names[place], float(information[number]), int(by_class[:, place].argmax()), *beside))
    return found


def draw_pivots(rows: Sequence[PivotRow], class_names: Sequence[str]) -> Tensor:
    """A bar per pivot, and beside it what comes with it in the source and in the target.

    Args:
        rows: at least one, from the top.
        class_names: of the classes that the bars' colours stand for.

    Returns:
        uint8 (3, H, 1250); H grows with the rows.
    """
    figure = new_figure(1250, 170 + 32 * len(rows))
    axes = new_axes(figure, "information on the label (nats)", "", (1, 3, 1))
    colours, heights = class_colours(len(class_names)), range(len(rows))
    axes.barh(heights, [row.information for row in rows], height=0.7, color=[colours[row.label] for row in rows])
    axes.set_yticks(heights, [row.word for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="x", color="0.88")
    beside = {"source": [row.of_source for row in rows], "target": [row.of_target for row in rows]}
    for place, (domain, companions_of) in enumerate(beside.items(), start=2):
        column = new_axes(figure, "", "", (1, 3, place))
        column.set_axis_off()
        column.set_ylim(len(rows) - 0.4, -0.6)
        column.set_title(f"comes with, in the {domain} alone", fontsize=LABEL, loc="left")
        for height, words in zip(heights, companions_of, strict=True):
            column.text(0, height, ", ".join(words) or "–", fontsize=TICK, va="center")
    marks = [Line2D([], [], color=colour, marker="s", markersize=10, linestyle="") for colour in colours]
    add_legend(figure, marks, [f"for {name}" for name in class_names], len(class_names))
    return render(figure)


def log_pivots(
    task: LightningModule,
    places: Tensor,
    information: Tensor,
    predictors: Tensor,
    pair: Pair,
    names: Sequence[str],
    class_names: Sequence[str],
) -> None:
    """Logs the image ``pivots`` of the first ``SHOWN`` of the pivots; see ``pivot_rows``."""
    count = predictors.shape[1]
    rows = pivot_rows(places[:count].cpu(), information[:count].cpu(), predictors.cpu(), pair, names)
    log_image(task, "pivots", draw_pivots(rows, class_names))
