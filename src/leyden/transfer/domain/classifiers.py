"""Classifiers behind a map of two domains: nearest neighbour, logistic regression, linear support vector machine."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import torch
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from torch import Tensor, nn

from leyden.core.estimator import register_estimates

Kind = Literal["nearest", "logistic", "svm"]
BLOCK = 2_000_000
"""Distances that are held at a time."""
WIDE, SPARSE = 1000, 0.1
"""Features, and the part of them that is not 0, from and up to which scikit-learn gets a sparse matrix."""


class FeatureClassifier(nn.Module):
    """Features (N, D) float64 to logits (N, classes) float32; what is fitted lies in buffers.

    Args:
        classes: how many.
        kind: "nearest" neighbour, its logits minus the squared distance to the nearest of each class; "logistic"
            regression; a linear "svm", one class against the others. The last two are scikit-learn's.
        c: inverse weight of their squared norm penalty.

    Raises:
        ValueError: another kind, or ``c`` is not above 0.
    """

    codes: Tensor
    labels: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, classes: int, kind: Kind, c: float) -> None:
        super().__init__()
        if kind not in get_args(Kind):
            raise ValueError(f"model.classifier={kind!r}: there are {', '.join(get_args(Kind))}")
        if c <= 0:
            raise ValueError(f"model.c={c}: should be above 0")
        self.classes, self.kind, self.c = classes, kind, c
        register_estimates(self, "codes", "labels", "weight", "bias")

    def fit(self, codes: Tensor, labels: Tensor, weights: Tensor | None = None) -> "FeatureClassifier":
        """Learns from codes (N, D) with labels (N,) and weights (N,) of the examples, None: all alike; returns itself.

        Raises:
            ValueError: one class alone, or weights for a nearest neighbour.
        """
        if len(labels.unique()) < 2:
            raise ValueError(
                f"all {len(labels)} source examples are of class {int(labels[0])}: a classifier needs two classes or "
                "more; choose another data.source"
            )
        if self.kind == "nearest":
            if weights is not None:
                raise ValueError("a nearest neighbour takes no weights: set model.classifier=logistic or svm")
            self.codes, self.labels = codes, labels
            return self
        coefficients, intercepts, seen = linear_rule(codes, labels, self.kind, self.c, weights)
        # Logits of classes without an example are the lowest of all.
        weight = codes.new_zeros(self.classes, codes.shape[1])
        bias = codes.new_full((self.classes,), -1e6)
        weight[seen], bias[seen] = coefficients.to(codes), intercepts.to(codes)
        self.weight, self.bias = weight, bias
        return self

    def forward(self, codes: Tensor) -> Tensor:
        """Codes (N, D) to logits (N, classes)."""
        if self.kind != "nearest":
            return (codes @ self.weight.T + self.bias).float()
        parts = codes.split(max(1, BLOCK // max(1, len(self.labels))))
        return torch.cat([self._nearest(part) for part in parts])

    def _nearest(self, codes: Tensor) -> Tensor:
        between = squared_distances(codes, self.codes)
        far = between.new_full((len(codes), self.classes), torch.inf)
        return -far.scatter_reduce(1, self.labels.expand(len(codes), -1), between, "amin").float()


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """(N, M) squared Euclidean distances of points (N, D) and (M, D), never below 0."""
    return (a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T).clamp_(min=0)


def nearest_labels(codes: Tensor, known: Tensor, labels: Tensor) -> Tensor:
    """The label (N,) of each code's nearest among the known ones (M, D)."""
    return torch.cat([labels[squared_distances(part, known).argmin(1)] for part in codes.split(1024)])


def linear_rule(
    codes: Tensor, labels: Tensor, kind: Kind, c: float, weights: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """A linear classifier: coefficients (C', D), intercepts (C',) and the classes (C',) that occur, in order.

    Of two classes both get a row, so that a softmax over the logistic ones is scikit-learn's probability.
    """
    x, y = codes.cpu().numpy(), labels.cpu().numpy()
    if x.shape[1] >= WIDE and np.count_nonzero(x) < SPARSE * x.size:
        x = csr_matrix(x)  # texts: ten times faster
    w = None if weights is None else weights.cpu().numpy()
    learner = LogisticRegression(C=c, max_iter=1000) if kind == "logistic" else LinearSVC(C=c, random_state=0)
    learner.fit(x, y, sample_weight=w)
    coefficients, intercepts = learner.coef_, np.atleast_1d(learner.intercept_)
    if len(coefficients) == 1:
        coefficients, intercepts = (np.concatenate([-v / 2, v / 2]) for v in (coefficients, intercepts))
    return torch.from_numpy(coefficients), torch.from_numpy(intercepts), torch.from_numpy(learner.classes_)


def named_rows(logits: Tensor, class_names: Sequence[str]) -> list[dict[str, Any]]:
    """Label, probability and the probabilities of all classes for logits (N, classes)."""
    rows = []
    for own in logits.softmax(1):
        probability, place = own.max(0)
        by_class = dict(zip(class_names, own.tolist(), strict=True))
        row = {"label": class_names[int(place)], "probability": round(float(probability), 4)}
        rows.append({**row, "probabilities": by_class})
    return rows
