"""Which of the lecture's four cases is this, and what would the lecture do? Measured on frozen features.

Size is counted. Similarity is asked of the inherited network itself: does it know anything of these images that their
pixels do not say? A nearest-neighbour classifier judges, once on the network's features and once on raw pixels; LogME
(You et al. 2021, "LogME: Practical Assessment of Pre-trained Models for Transfer Learning") is shown beside it.
"""

from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from leyden.report.cases import ADVICE

SMALL = 200
"""Labels per class below which a target set is called small: a convention, the lecture gives no number."""
MOST = 1000
"""So many training images are looked at."""


class Advice(NamedTuple):
    """What was measured, and what follows."""

    per_class: float
    """Training images per class."""
    on_features: float
    """Accuracy of 5 nearest neighbours on frozen features, cross-validated."""
    on_pixels: float
    """Likewise on raw pixels."""
    logme: float
    """Log evidence per image of a linear model on the features; higher is better, only its order means something."""
    small: bool
    similar: bool
    strategy: str
    reason: str


def advise(features: Tensor, pixels: Tensor, labels: Tensor, per_class: float) -> Advice:
    """Names the lecture's case for a target set.

    The source counts as similar where its features leave at most two thirds of the mistakes that raw pixels make.

    Args:
        features: (N, F) of the inherited network.
        pixels: (N, P) of the same images.
        labels: (N,) classes.
        per_class: training images per class that there are; N may be fewer.

    Raises:
        ValueError: a class has fewer than two images, so nothing can be cross-validated.
    """
    counts = labels.bincount()
    counts = counts[counts > 0]
    if int(counts.min()) < 2:
        raise ValueError("advise needs two labelled images of each class or more")
    folds = min(5, int(counts.min()))
    on_features, on_pixels = (_neighbours(x.numpy(), labels.numpy(), folds) for x in (features, pixels))
    small, similar = per_class < SMALL, 1 - on_features <= 2 / 3 * (1 - on_pixels)
    strategy, reason = ADVICE["small" if small else "large", "similar" if similar else "different"]
    score = logme(features.double().numpy(), labels.numpy())
    return Advice(per_class, on_features, on_pixels, score, small, similar, strategy, reason)


def _neighbours(x: np.ndarray, labels: np.ndarray, folds: int) -> float:
    nearest = make_pipeline(StandardScaler(), KNeighborsClassifier(min(5, len(labels) // 2)))
    return float(cross_val_score(nearest, x, labels, cv=StratifiedKFold(folds, shuffle=True, random_state=0)).mean())


def logme(features: np.ndarray, labels: np.ndarray) -> float:
    """Log marginal evidence per example of Bayesian linear regression on one-hot labels (LogME, eq. 2).

    y ~ N(F w, 1/beta), w ~ N(0, 1/alpha). With r = alpha / beta fixed, the best beta is known in closed form; r is
    found by a bounded search, where the paper iterates a fixed point.

    Args:
        features: (N, F).
        labels: (N,) integer classes.

    Returns:
        The mean over classes.
    """
    u, s, _ = np.linalg.svd(features, full_matrices=False)
    n, d = features.shape
    return float(np.mean([_evidence(s**2, u.T @ y, y, n, d) for y in (labels[:, None] == np.unique(labels)).T * 1.0]))


def _evidence(sigma: np.ndarray, z: np.ndarray, y: np.ndarray, n: int, d: int) -> float:
    """Of one target y (N,), with sigma the squared singular values and z = U^T y; maximised over alpha and beta."""
    rest = max(float(y @ y - z @ z), 0.0)

    def negative(log_r: float) -> float:
        r = np.exp(log_r)
        # beta / 2 ||y - F m||^2 + alpha / 2 ||m||^2 = beta / 2 * misfit at the posterior mean m.
        misfit = rest + float((z**2 * r / (sigma + r)).sum())
        beta = n / misfit
        determinant = np.log((sigma + r) * beta).sum() + (d - len(sigma)) * np.log(r * beta)
        log_evidence = n / 2 * np.log(beta) + d / 2 * np.log(r * beta) - n / 2 * np.log(2 * np.pi)
        return -(log_evidence - n / 2 - determinant / 2) / n

    return -float(minimize_scalar(negative, bounds=(-20, 20), method="bounded").fun)


def report(advice: Advice, words: list[str]) -> str:
    """The advice for people, with the command that follows it."""
    size, kind = "small" if advice.small else "large", "similar" if advice.similar else "different"
    command = " ".join(["leyden run", *words, f"model.strategy={advice.strategy}"])
    return "\n".join(
        [
            f"size        {advice.per_class:.0f} training images per class: {size} (below {SMALL} is small)",
            f"similarity  5 nearest neighbours are right for {advice.on_features:.1%} by the network's features, "
            f"{advice.on_pixels:.1%} by raw pixels: {kind}",
            f"LogME       {advice.logme:.3f} (compare networks by it: higher transfers better)",
            f"case        {size} and {kind}: {advice.reason}",
            f"strategy    {advice.strategy}",
            "",
            command,
        ]
    )


def subset(count: int, seed: int) -> Tensor:
    """At most ``MOST`` of ``count`` examples, drawn at random."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:MOST]
