"""Which of the lecture's four cases is this, and what would the lecture do? Measured on frozen features.

Size is counted. Similarity is asked of the inherited network itself: does it know anything of these images that their
pixels do not say? A nearest-neighbour classifier is cross-validated, once on the network's features and once on raw
pixels; LogME (You et al. 2021, "LogME: Practical Assessment of Pre-trained Models for Transfer Learning") is shown
beside it.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from leyden.core.text.shell import command
from leyden.transfer.classifier import Classifier, evaluation_mode
from leyden.transfer.data import TransferImages

FOUR_CASES = {
    ("small", "similar"): ("head", "keep the network, freeze it, train a new head"),
    ("small", "different"): ("truncate", "keep only the low-level layers, train new ones behind them"),
    ("large", "similar"): ("full", "new head, train the entire network"),
    ("large", "different"): ("full", "new head, train the entire network, freeze nothing"),
}
"""The lecture's decision table: by amount of target data and likeness to the source, the strategy and why."""
SMALL = 200
"""Labels per class below which a target set is called small: a convention, the lecture gives no number."""
MAX_IMAGES = 1000
"""So many training images are looked at."""


class Advice(NamedTuple):
    """What was measured, and what follows."""

    per_class: float
    """Training images per class."""
    on_features: float
    """Accuracy of 5 nearest neighbours on frozen features, cross-validated."""
    on_pixels: float
    """Accuracy of 5 nearest neighbours on raw pixels, cross-validated."""
    logme: float
    """Log evidence per image of a linear model on the features; higher is better, only its order means something."""
    small: bool
    similar: bool
    strategy: str
    reason: str


@torch.no_grad()
def advice_for(net: Classifier, data: TransferImages) -> Advice:
    """The lecture's case for the training images of some data and a network that has inherited its weights.

    Args:
        net: whose features are measured.
        data: prepared; at most ``MAX_IMAGES`` of its training images are looked at, drawn by its seed.

    Raises:
        ValueError: a class has fewer than two images.
    """
    split = data.split("train")
    drawn = torch.randperm(len(split), generator=torch.Generator().manual_seed(data.seed))[:MAX_IMAGES]
    pairs = [split[i] for i in drawn.tolist()]
    images, labels = torch.stack([image for image, _ in pairs]), torch.tensor([label for _, label in pairs])
    with evaluation_mode(net):
        features = torch.cat([net.features(part) for part in images.split(64)])
    pixels = F.adaptive_avg_pool2d(images.float(), min(32, images.shape[-1])).flatten(1)
    return choose_case(features, pixels, labels, len(split) / len(data.spec["class_names"]))


def choose_case(features: Tensor, pixels: Tensor, labels: Tensor, per_class: float) -> Advice:
    """The lecture's case for a target set.

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
        raise ValueError("advice needs two labelled images of each class or more")
    folds = min(5, int(counts.min()))
    on_features, on_pixels = (_neighbours(x.numpy(), labels.numpy(), folds) for x in (features, pixels))
    small, similar = per_class < SMALL, 1 - on_features <= 2 / 3 * (1 - on_pixels)
    strategy, reason = FOUR_CASES["small" if small else "large", "similar" if similar else "different"]
    score = logme(features.double().numpy(), labels.numpy())
    return Advice(per_class, on_features, on_pixels, score, small, similar, strategy, reason)


def _neighbours(x: np.ndarray, labels: np.ndarray, folds: int) -> float:
    # Here, because every run of `transfer/finetune` imports this file: half a second of CPU.
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

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
    from scipy.optimize import minimize_scalar  # here for the same reason

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


def format_advice(advice: Advice, overrides: list[str]) -> str:
    """The advice as text for a terminal, with the command that follows it, quoted for bash and zsh.

    Args:
        advice: what was measured.
        overrides: of the command that is advised.
    """
    size, kind = "small" if advice.small else "large", "similar" if advice.similar else "different"
    return "\n".join(
        [
            f"size        {advice.per_class:.0f} training images per class: {size} (below {SMALL} is small)",
            f"similarity  5 nearest neighbours are right for {advice.on_features:.1%} by the network's features, "
            f"{advice.on_pixels:.1%} by raw pixels: {kind}",
            f"LogME       {advice.logme:.3f} (compare networks by it: higher transfers better)",
            f"case        {size} and {kind}: {advice.reason}",
            f"strategy    {advice.strategy}",
            "",
            command("run", *overrides, f"model.strategy={advice.strategy}"),
        ]
    )
