"""What a test of CLIP says: descriptions named without training on them, retrieval both ways, and floors."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from lightning import LightningModule
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from leyden.core.attached import attached_data
from leyden.data.batches.captions import Captions
from leyden.data.columns import CaptionedTokens
from leyden.data.splits import InMemory
from leyden.data.text.tokenizer import Tokenizer
from leyden.multimodal.clip.figures import first_of_each, log_retrieval
from leyden.multimodal.clip.retrieval import factor_values, ranks, retrieval_figures

SHOWN_SIDE, PIXELS_SIDE = 64, 32
"""Pixels, at most, that images keep for sheets, and for the comparison by pixels."""
NEIGHBOURS = 5000
"""Training images, at most, among which the nearest by its pixels is looked for."""


class Collected(NamedTuple):
    """A test's pairs, of all ranks, on the CPU."""

    images: Tensor
    """(N, D) float32 embeddings."""
    texts: Tensor
    """(N, D) float32 embeddings."""
    pairs: CaptionedTokens
    """Images (N, C, h, h), no larger than 64 pixels, with the tokens of their captions."""


class MatchingEvaluator(Metric):
    """Collects the embeddings of a test.

    Logged are, as shares of images: ``accuracy``, the right description among all; ``seen_accuracy`` and
    ``unseen_accuracy`` of those whose description training had or had not, among all; ``unseen_among_unseen``, among
    the latter ones alone; ``<factor>_accuracy``. Then of each way ``recall_1``, ``recall_5`` and ``median_rank``:
    ``image_to_text`` among all captions of the test, ``text_to_image`` among all its images, where all are right that
    have the same description. Floors: ``chance``, ``chance_unseen``, and the description of the training image with
    the nearest pixels, ``pixels_accuracy`` and ``pixels_<factor>_accuracy``.

    Args:
        class_names: a text for each description.
        unseen: places in it that training has no image of.
        factors: words that descriptions are made of, by factor.
    """

    full_state_update = False
    images: list[Tensor]
    texts: list[Tensor]
    labels: list[Tensor]
    tokens: list[Tensor]
    lengths: list[Tensor]
    shown: list[Tensor]

    def __init__(self, class_names: Sequence[str], unseen: Sequence[int], factors: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.class_names = list(class_names)
        self.unseen = torch.zeros(len(class_names), dtype=torch.bool)
        self.unseen[list(unseen)] = True
        self.values = factor_values(class_names, factors)
        for name in ("images", "texts", "labels", "tokens", "lengths", "shown"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, images: Tensor, texts: Tensor, batch: CaptionedTokens) -> None:
        """Adds a batch: embeddings (B, D) of its images and texts, and itself."""
        self.images.append(images)
        self.texts.append(texts)
        self.labels.append(batch.labels)
        self.tokens.append(batch.tokens)
        self.lengths.append(batch.lengths)
        self.shown.append(shrunk(batch.images, SHOWN_SIDE))

    def compute(self) -> Collected:
        """All that was added."""
        columns = (dim_zero_cat(part).cpu() for part in (self.shown, self.tokens, self.lengths, self.labels))
        images, texts = (dim_zero_cat(part).cpu().float() for part in (self.images, self.texts))
        return Collected(images, texts, CaptionedTokens(*columns))

    def log(self, task: LightningModule, described: Tensor, tokenizer: Tokenizer) -> None:
        """Logs and draws at the end of a test.

        Args:
            task: in a test.
            described: (classes, D) embeddings of ``class_names``.
            tokenizer: of the captions.
        """
        images, texts, whole = self.compute()
        scores = images @ described.cpu().float().T
        figures = accuracies(scores, whole.labels, self.unseen) | self._by_factor(scores.argmax(1), whole.labels, "")
        figures |= self._floors(task, whole)
        first = first_of_each(whole.tokens)
        matrix, right = images @ texts[first].T, whole.labels[:, None] == whole.labels[first][None]
        ways = {"image_to_text": ranks(matrix, right), "text_to_image": ranks(matrix.T, right.T)}
        for way, found in ways.items():
            figures |= {f"{way}_{name}": value for name, value in retrieval_figures(found).items()}
        task.log_dict({f"test/{name}": value for name, value in figures.items()})
        lengths = whole.lengths[first]
        captions = [tokenizer.decode(row[:n].tolist()) for row, n in zip(whole.tokens[first], lengths, strict=True)]
        new, groups = self.unseen[whole.labels], whole.labels[first]
        log_retrieval(task, whole.images, captions, matrix, right, groups, new, self.unseen[groups])

    def _by_factor(self, predicted: Tensor, labels: Tensor, prefix: str) -> dict[str, float]:
        found = {}
        for factor, values in self.values.items():
            known = values[labels] >= 0
            if known.any():
                same = values[predicted[known]] == values[labels[known]]
                found[f"{prefix}{factor}_accuracy"] = float(same.float().mean())
        return found

    def _floors(self, task: LightningModule, whole: CaptionedTokens) -> dict[str, float]:
        figures = {"chance": 1 / len(self.class_names)}
        if self.unseen.any():
            figures["chance_unseen"] = 1 / int(self.unseen.sum())
        data = attached_data(task.trainer, Captions)
        train = None if data is None else data.split("train")
        if not isinstance(train, InMemory):
            return figures
        every = -(-len(train) // NEIGHBOURS)
        nearest = nearest_pixels(whole.images, train.columns.images[::every])
        predicted = train.columns.labels[::every].cpu()[nearest]
        figures["pixels_accuracy"] = float((predicted == whole.labels).float().mean())
        return figures | self._by_factor(predicted, whole.labels, "pixels_")


def accuracies(scores: Tensor, labels: Tensor, unseen: Tensor) -> dict[str, float]:
    """Shares of images whose description has the greatest score.

    Args:
        scores: (N, classes).
        labels: (N,) int64.
        unseen: (classes,) bool, of which training had no image.

    Returns:
        ``accuracy``, and where there are such images ``seen_accuracy``, ``unseen_accuracy``, ``unseen_among_unseen``.
    """
    right = (scores.argmax(1) == labels).float()
    new = unseen[labels]
    figures = {"accuracy": float(right.mean())}
    if (~new).any():
        figures["seen_accuracy"] = float(right[~new].mean())
    if new.any():
        figures["unseen_accuracy"] = float(right[new].mean())
        among = scores[new].masked_fill(~unseen, -torch.inf).argmax(1)
        figures["unseen_among_unseen"] = float((among == labels[new]).float().mean())
    return figures


def nearest_pixels(images: Tensor, others: Tensor) -> Tensor:
    """For each of uint8 images (N, C, S, S) the place (N,) of the nearest of others (M, C, S', S') by its pixels."""
    side = min(images.shape[-1], others.shape[-1], PIXELS_SIDE)
    own, theirs = (shrunk(stack.cpu(), side).flatten(1).float() for stack in (images, others))
    return torch.cat([torch.cdist(part, theirs).argmin(1) for part in own.split(256)])


def shrunk(images: Tensor, side: int) -> Tensor:
    """uint8 images (B, C, S, S), no larger than ``side``: means of the pixels that become one."""
    if images.shape[-1] <= side:
        return images
    return F.adaptive_avg_pool2d(images.float(), side).round().to(torch.uint8)
