"""What is drawn of an episode: a sheet of its images, and where they lie in the space in which they are compared."""

from typing import NamedTuple

import torch
from matplotlib.lines import Line2D
from torch import Tensor

from leyden.data.batches.episodes import Episode
from leyden.transfer.few_shot.prototypes import prototypes
from leyden.visualization.figure import TICK, TITLE, add_legend, class_colours, new_figure, render
from leyden.visualization.labelled import draw_sheet, thumbnail

FRAME = 4
"""Pixels around an image on a sheet."""
GREY, GREEN, RED = (200, 200, 200), (0, 158, 115), (213, 94, 0)
MOST_CLASSES, MOST_COLUMNS = 8, 12
"""Of an episode that are drawn on a sheet."""


class Embedded(NamedTuple):
    """Where an episode's images lie."""

    support: Tensor
    """(N K, D)."""
    queries: Tensor
    """(N Q, D)."""
    centres: Tensor | None
    """(N, D) prototypes; None where a class has none."""


def draw_episode(episode: Episode, predicted: Tensor) -> Tensor:
    """A sheet of an episode, uint8 (3, H, W): a row per class, first what it is learnt from, then its queries.

    Args:
        episode: on any device.
        predicted: (N Q,) int64 class that each query was taken for.
    """
    images, captions = [], []
    classes = int(episode.support_labels.max()) + 1
    columns = 0
    for label in range(min(classes, MOST_CLASSES)):
        support = episode.support_images[episode.support_labels == label]
        own = episode.query_labels == label
        row = [_framed(image, GREY) for image in support[: MOST_COLUMNS // 2]]
        captions += [f"{_letter(label)}, learnt from"] * len(row)
        found = list(zip(episode.query_images[own], predicted[own].tolist(), strict=True))[: MOST_COLUMNS - len(row)]
        row += [_framed(image, GREEN if other == label else RED) for image, other in found]
        captions += ["right" if other == label else f"taken for {_letter(other)}" for _, other in found]
        images += row
        columns = len(row)
    shown = f"{classes} classes" if classes <= MOST_CLASSES else f"{MOST_CLASSES} of {classes} classes"
    right = (predicted == episode.query_labels).float().mean()
    title = f"An episode, {shown}, a row each: examples (grey), then queries; {right:.0%} of them right"
    return draw_sheet(images, captions, "There is no example.", columns, title=title)


def _letter(label: int) -> str:
    """A, B, ... for classes that have no name but in their episode."""
    return chr(ord("A") + label) if label < 26 else str(label)


def _framed(image: Tensor, colour: tuple[int, int, int]) -> Tensor:
    inner = thumbnail(image.cpu(), 84)
    framed = torch.tensor(colour, dtype=torch.uint8)[:, None, None].repeat(1, *(s + 2 * FRAME for s in inner.shape[1:]))
    framed[:, FRAME:-FRAME, FRAME:-FRAME] = inner
    return framed


def class_plane(points: Tensor, means: Tensor) -> Tensor:
    """Places (P, 2) of points (P, D) on the plane in which class means (N, D) lie farthest apart (their first PCA)."""
    centre = means.mean(0)
    directions = torch.linalg.svd(means - centre, full_matrices=False)[2][:2]
    return (points - centre) @ directions.T


def draw_embedded(episode: Episode, places: Embedded, predicted: Tensor) -> Tensor:
    """An episode's images on the plane in which its classes lie farthest apart, as pixels and as embeddings.

    Args:
        episode: on any device; of two classes or more.
        places: its embeddings.
        predicted: (N Q,) int64 class that each query was taken for; those that are wrong are crossed out.

    Returns:
        uint8 (3, 560, 900).
    """
    labels = episode.support_labels.cpu()
    pixels = torch.cat([episode.support_images, episode.query_images]).flatten(1).cpu().float() / 255
    features = torch.cat([places.support, places.queries]).cpu().float()
    examples, count, classes = len(labels), len(pixels), int(labels.max()) + 1
    kinds = {"example": ("s", 80, slice(0, examples)), "query": ("o", 30, slice(examples, count))}
    if places.centres is not None:
        kinds["prototype"] = ("*", 260, slice(count, count + classes))
    colours = class_colours(classes)[torch.cat([labels, episode.query_labels.cpu(), torch.arange(classes)])]
    wrong = (predicted != episode.query_labels).cpu().numpy()
    figure = new_figure(900, 560, "The plane in which the classes of an episode lie farthest apart")
    for axes, (name, points) in zip(
        figure.subplots(1, 2), {"pixels": pixels, "embeddings": features}.items(), strict=True
    ):
        means = prototypes(points[:examples], labels)
        plane = class_plane(torch.cat([points, means]), means)
        for mark, size, part in reversed(kinds.values()):
            axes.scatter(*plane[part].T.numpy(), c=colours[part], s=size, marker=mark, edgecolors="black", lw=0.6)
        missed = plane[examples:count].numpy()[wrong]
        axes.scatter(*missed.T, c="black", s=70, marker="x", lw=1.5)
        for label, place in enumerate(plane[count:].tolist()):
            axes.annotate(_letter(label), place, (7, 7), textcoords="offset points", fontsize=TICK, weight="bold")
        axes.set_title(name, fontsize=TITLE)
        axes.set(xticks=[], yticks=[])
        axes.set_aspect("equal", adjustable="datalim")
    marks = [
        Line2D([], [], color="0.7", marker=mark, markersize=9, markeredgecolor="black", linestyle="")
        for mark, *_ in kinds.values()
    ]
    marks.append(Line2D([], [], color="black", marker="x", markersize=9, linestyle=""))
    add_legend(figure, marks, [*kinds, "taken for another class"], 4)
    return render(figure)
