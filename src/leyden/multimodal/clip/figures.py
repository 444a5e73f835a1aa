"""Sheets of what texts and images found of each other."""

import torch
from lightning import LightningModule
from torch import Tensor

from leyden.multimodal.clip.retrieved import FoundImages, FoundTexts, draw_retrieval
from leyden.visualization.logging import log_image

QUERIES = 8
"""On a sheet, half of them of descriptions that training never had, where there are such."""
IMAGES, TEXTS = 6, 3
"""Found for each query."""


def log_retrieval(
    task: LightningModule,
    images: Tensor,
    captions: list[str],
    scores: Tensor,
    right: Tensor,
    groups: Tensor,
    unseen_images: Tensor,
    unseen_captions: Tensor,
) -> None:
    """Draws ``retrieval``: for some texts their nearest images, for some images their nearest texts.

    Args:
        task: in a test.
        images: (N, C, h, h) uint8.
        captions: M texts that differ.
        scores: (N, M) similarities.
        right: (N, M) bool, of one description.
        groups: (M,) which description each text is; an image's texts are the best of each.
        unseen_images: (N,) bool, of a description that training never had.
        unseen_captions: (M,) bool, likewise.
    """
    by_text = []
    for place in chosen(unseen_captions):
        best = scores[:, place].topk(min(IMAGES, len(images))).indices
        title = captions[place] + (" (new)" if unseen_captions[place] else "")
        by_text.append(FoundImages(title, list(images[best]), right[best, place].tolist()))
    by_image = []
    for place in chosen(unseen_images):
        order = scores[place].argsort(descending=True)
        best = order[first_of_each(groups[order])[:TEXTS]]
        found = [captions[i] + (" (new)" if unseen_captions[i] else "") for i in best.tolist()]
        by_image.append(FoundTexts(images[place], found, right[place, best].tolist()))
    log_image(task, "retrieval", draw_retrieval(by_text, by_image))


def first_of_each(values: Tensor) -> Tensor:
    """The place of the first of each row that differs from all before, in order (N, ...)."""
    _, group = values.unique(dim=0, return_inverse=True)
    first = torch.full((int(group.max()) + 1,), len(values))
    return first.scatter_reduce(0, group, torch.arange(len(values)), "amin").sort().values


def chosen(unseen: Tensor) -> list[int]:
    """Places of some queries, evenly spread over those that are seen and those that are not (N,) bool."""
    groups = [group for group in ((~unseen).nonzero().flatten(), unseen.nonzero().flatten()) if len(group)]
    each = QUERIES // len(groups)
    picked = [group[torch.linspace(0, len(group) - 1, min(each, len(group))).long()] for group in groups]
    return [int(place) for group in picked for place in group]
