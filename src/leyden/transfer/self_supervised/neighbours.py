"""Nearest neighbours in feature space: what a network takes to be alike."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from leyden.core.technique import Predictions
from leyden.data.batches.views import ViewImages
from leyden.transfer.domain.deep.monitor import evenly
from leyden.visualization.labelled import draw_sheet

NEAREST = 5
"""Neighbours of an image that are shown."""


class Bank(NamedTuple):
    """Images to compare with."""

    images: Tensor
    """(N, C, S, S) uint8."""
    names: list[str]
    """The class of each, or its number where nothing is known."""


def fill_bank(data: ViewImages, most: int) -> Bank:
    """At most ``most`` training images, evenly spread over the labelled ones, or over all if there are no classes."""
    if not data.class_names:
        images = evenly(data.split("train"), most).images.cpu()
        return Bank(images, [f"image {i}" for i in range(len(images))])
    images, labels = evenly(data.labelled("train"), most)
    return Bank(images.cpu(), [data.class_names[label] for label in labels.tolist()])


def nearest(queries: Tensor, features: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Cosine similarities and places (Q, count) of the features (N, F) most like queries (Q, F), best first."""
    return (F.normalize(queries) @ F.normalize(features).T).topk(min(count, len(features)), 1)


def predict_neighbours(
    network: Callable[[Tensor], Tensor], bank: Bank, images: Tensor, device: torch.device
) -> Predictions:
    """A row for each image with the nearest of the bank, and both drawn.

    Args:
        network: uint8 images (B, C, S, S) to features (B, F), in evaluation mode.
        bank: images to compare with.
        images: uint8 (Q, C, S, S).
        device: of the network.

    Raises:
        ValueError: the bank is empty.
    """
    if not bank.names:
        raise ValueError(
            "no training images were kept to compare with: train on data=transfer/views with model.bank=200"
        )
    queries, kept = (torch.cat([network(part.to(device)) for part in each.split(64)]) for each in (images, bank.images))
    rows, drawn = [], []
    for image, values, places in zip(images, *nearest(queries, kept, NEAREST), strict=True):
        found = [(bank.names[i], round(float(value), 4)) for i, value in zip(places.tolist(), values, strict=True)]
        rows.append({"neighbours": [{"label": name, "similarity": value} for name, value in found]})
        captions = ["input", *(f"{name}\n{value:.2f}" for name, value in found)]
        drawn.append(draw_sheet([image, *bank.images[places.cpu()]], captions, "", columns=1 + NEAREST))
    return Predictions(rows, drawn)


def draw_neighbours(
    queries: Sequence[Tensor], names: Sequence[str], found: dict[str, list[tuple[list[Tensor], list[str]]]]
) -> Tensor:
    """A row for each query: itself, then its nearest by each kind of features.

    Args:
        queries: Q images uint8 (C, H, W).
        names: of the queries.
        found: by kind, such as "features" and "pixels": for each query images and their names, best first.

    Returns:
        uint8 (3, H, W).
    """
    images, captions, columns = [], [], 1
    for i, (query, name) in enumerate(zip(queries, names, strict=True)):
        images.append(query)
        captions.append(f"query: {name}")
        for kind, each in found.items():
            near, theirs = each[i]
            images += near
            captions += [f"{kind}: {other}" for other in theirs]
        columns = len(images) // (i + 1)
    return draw_sheet(images, captions, "there is no image", columns, side=84, title="Nearest training images")
