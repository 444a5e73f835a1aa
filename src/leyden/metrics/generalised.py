"""Accuracies of generalised zero-shot learning: seen and unseen classes compete, at every calibration constant.

Mean accuracy per class over the test examples of unseen classes (U) and of seen ones (S), each among all candidates,
and their harmonic mean H (Xian et al. 2018, "Zero-Shot Learning: A Comprehensive Evaluation"). Calibrated stacking
(Chao et al. 2016) takes a constant off the scores of all seen classes: class = argmax_c score_c - constant * [c seen].
Which of the two groups wins then depends on one number for each example, the margin between the best seen and the best
unseen score, so that the whole curve is one sort.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat


class Generalised(NamedTuple):
    """U, S and H, each in 0..1."""

    unseen: float
    """U; nan without examples of unseen classes."""
    seen: float
    """S; nan without examples of seen classes."""
    harmonic: float
    """H = 2 U S / (U + S), 0 where both are."""


class Curve(NamedTuple):
    """U and S at every constant that matters: K of them, in ascending order."""

    starts: Tensor
    """(K,) float64: from this constant on, -inf for the first; the margins that occur."""
    constants: Tensor
    """(K,) float64, in the middle between two of them."""
    unseen: Tensor
    """(K,) float64, never falls."""
    seen: Tensor
    """(K,) float64, never rises."""

    @property
    def harmonic(self) -> Tensor:
        """(K,) H."""
        return 2 * self.unseen * self.seen / (self.unseen + self.seen).clamp(min=1e-12)

    def best(self) -> float:
        """The constant of the greatest H; of several the least."""
        return float(self.constants[self.harmonic.argmax()])

    def at(self, constant: float) -> Generalised:
        """U, S and H at a constant."""
        place = int((self.starts <= constant).sum()) - 1
        u, s = (float(values[place]) for values in (self.unseen, self.seen))
        return Generalised(u, s, 2 * u * s / (u + s) if u + s else (0.0 if u == u and s == s else float("nan")))

    def area(self) -> float:
        """Area below S over U in 0..1 (Chao et al. 2016, AUSUC)."""
        return float(torch.trapezoid(self.seen, self.unseen))


class GeneralisedAccuracy(Metric):
    """Collects of each example its best seen and its best unseen class and the margin between their scores."""

    full_state_update = False
    found: list[Tensor]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.add_state("found", default=[], dist_reduce_fx="cat")

    def update(self, scores: Tensor, labels: Tensor, seen: Tensor, unseen: Tensor) -> None:
        """Adds a batch; examples of classes that are neither seen nor unseen are left out.

        Args:
            scores: (B, C) of all classes, the greater the better.
            labels: (B,) int64 true classes.
            seen: (C,) bool, candidates of which there were training examples.
            unseen: (C,) bool, the other candidates.
        """
        keep = (seen | unseen)[labels]
        scores, labels = scores[keep].double(), labels[keep]
        best_seen, place_seen = scores.masked_fill(~seen, -torch.inf).max(1)
        best_unseen, place_unseen = scores.masked_fill(~unseen, -torch.inf).max(1)
        group = unseen[labels]
        right = torch.where(group, place_unseen, place_seen) == labels
        self.found.append(torch.stack([labels, group, right, best_seen - best_unseen], 1))

    def compute(self) -> Tensor:
        """(N, 4) float64: class, is it unseen, is its group's best class right, margin of seen over unseen scores."""
        return dim_zero_cat(self.found) if len(self.found) else torch.empty(0, 4, dtype=torch.float64)


def unseen_accuracy(found: Tensor) -> float:
    """Mean accuracy per class where unseen classes compete with one another alone: plain zero-shot learning.

    Args:
        found: (N, 4) of ``GeneralisedAccuracy``.
    """
    own = found[found[:, 1] == 1]
    return float((own[:, 2] * _shares(own[:, 0])).sum()) if len(own) else float("nan")


def calibration_curve(found: Tensor) -> Curve:
    """U and S at every constant.

    Args:
        found: (N, 4) of ``GeneralisedAccuracy``, N >= 1.
    """
    found = found[found[:, 3].argsort()]
    margins, unseen = found[:, 3], found[:, 1] == 1
    weights = torch.zeros(len(found), dtype=torch.float64, device=found.device)
    for group in (unseen, ~unseen):
        weights[group] = _shares(found[group, 0])
    weights = weights * found[:, 2]
    gained, lost = ((weights * group).cumsum(0) for group in (unseen, ~unseen))
    zero = gained.new_zeros(1)
    u, s = torch.cat([zero, gained]), torch.cat([lost[-1:], lost[-1] - lost]).clamp(min=0)
    u, s = (values if group.any() else values + torch.nan for values, group in ((u, unseen), (s, ~unseen)))
    middle = (margins[1:] + margins[:-1]) / 2
    # An example whose margin equals the constant goes to the unseen classes: equal margins change sides together.
    last = torch.cat([margins[1:] > margins[:-1], torch.ones(1, dtype=torch.bool, device=found.device)])
    constants = torch.cat([margins[:1] - 1, middle, margins[-1:] + 1])
    keep = torch.cat([torch.ones(1, dtype=torch.bool, device=found.device), last])
    starts = torch.cat([margins.new_full((1,), -torch.inf), margins])
    return Curve(starts[keep], constants[keep], u[keep], s[keep])


def _shares(labels: Tensor) -> Tensor:
    """(N,) weights under which a sum over examples is the mean over classes of the means within them."""
    _, place, counts = labels.unique(return_inverse=True, return_counts=True)
    return 1 / counts.double()[place] / max(1, len(counts))
