"""Linear support vector machines, one per class, that learn from hard negatives (Girshick et al. 2014, section 2.3).

There are far too many regions to learn from all of them, and most are easy. So the images come one after the other, and
a class adds to its negatives only those that violate the margin; now and then it is fitted again and drops those that
have become easy. The numbers are those of the authors' ``rcnn_train.m``.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from sklearn.svm import LinearSVC
from torch import Tensor

HARD = -1.0001
"""A negative that scores more is hard."""
EASY = -1.2
"""A negative that scores less is dropped again."""
PATIENCE = 2000
"""A class is fitted again after it has added more negatives than this."""
NEVER = -10.0
"""Score of a class without examples."""


class LinearSVMs(NamedTuple):
    """Scores s = w x + b: +1 and more is an object of the class, -1 and less is none."""

    weight: Tensor
    """(C, F) float32."""
    bias: Tensor
    """(C,) float32."""


def train_svm(
    positives: Tensor, negatives: Tensor, cost: float = 1e-3, positive_weight: float = 2.0, bias_feature: float = 10.0
) -> LinearSVMs:
    """The SVM of one class (C = 1): the w and b that minimise, with B = ``bias_feature``,

        1/2 |w|^2 + 1/2 (b / B)^2 + cost (positive_weight sum_+ max(0, 1 - s) + sum_- max(0, 1 + s))

    The solver is liblinear's, as in the authors' code.

    Args:
        positives: (P, F), at least one.
        negatives: (N, F), at least one.
        cost: of a slack of 1.
        positive_weight: factor on it for positives.
        bias_feature: constant feature whose weight makes the bias.
    """
    x = torch.cat([positives, negatives]).double().numpy()
    y = np.repeat([1, -1], [len(positives), len(negatives)])
    machine = LinearSVC(
        loss="hinge",
        C=cost,
        class_weight={1: positive_weight},
        intercept_scaling=bias_feature,
        max_iter=10_000,
        random_state=0,
    ).fit(x, y)
    return LinearSVMs(torch.from_numpy(machine.coef_).float(), torch.from_numpy(machine.intercept_).float())


def train_svms(
    features: Tensor, counts: list[int], labels: Tensor, negative: Tensor, mine: bool = True, cost: float = 1e-3
) -> LinearSVMs:
    """The SVMs of all classes, in one pass over the images.

    A class is fitted after the first image, after more than ``PATIENCE`` new negatives, and at the end.

    Args:
        features: (N, F) of the regions of all images, image by image; of mean norm 20, which is what ``cost`` is for.
        counts: regions of each image, in this order.
        labels: (N,) int64 class of regions that are objects themselves, -1 for others.
        negative: (N, C) bool: the region is a negative of the class.
        mine: whether negatives are mined; otherwise each class is fitted once, to ``PATIENCE`` of its negatives, spread
            evenly over the images.
        cost: see :func:`train_svm`.
    """
    classes = negative.shape[1]
    svms = LinearSVMs(torch.zeros(classes, features.shape[1]), torch.zeros(classes))
    fitted = torch.zeros(classes, dtype=torch.bool)
    cached = torch.zeros_like(negative) if mine else _evenly(negative, PATIENCE)
    new = torch.zeros(classes, dtype=torch.int64)
    starts = torch.tensor([0, *counts]).cumsum(0).tolist()
    for image, (start, stop) in enumerate(pairwise(starts)):
        if mine:
            # Before its first fit a class scores 0, so it takes all.
            scores = features[start:stop].float() @ svms.weight.T + svms.bias
            hard = negative[start:stop] & (scores > HARD)
            cached[start:stop] = hard
            new += hard.sum(0)
        last = image == len(counts) - 1
        for c in range(classes):
            if not (last or (mine and (image == 0 or new[c] > PATIENCE))):
                continue
            positives, rows = features[labels == c], cached[:, c].nonzero().flatten()
            if len(positives) == 0 or len(rows) == 0:
                continue
            negatives = features[rows].float()
            one = train_svm(positives.float(), negatives, cost)
            svms.weight[c], svms.bias[c], fitted[c], new[c] = one.weight[0], one.bias[0], True, 0
            easy = negatives @ one.weight[0] + one.bias[0] < EASY
            cached[rows[easy], c] = False
    svms.bias[~fitted] = NEVER
    return svms


def _evenly(negative: Tensor, most: int) -> Tensor:
    """At most so many of each column's True (N, C), evenly spread."""
    chosen = torch.zeros_like(negative)
    for c, column in enumerate(negative.T):
        rows = column.nonzero().flatten()
        chosen[rows[torch.linspace(0, len(rows) - 1, min(most, len(rows))).long()], c] = True
    return chosen
