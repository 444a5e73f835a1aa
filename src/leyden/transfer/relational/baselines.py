"""Labels in two steps: the features' holes are filled, then each task has a linear support vector machine."""

import numpy as np
import torch
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.svm import LinearSVC
from torch import Tensor

from leyden.transfer.relational.completion import held_out
from leyden.transfer.relational.soft_impute import best_on_path, soft_impute

COSTS = [0.01, 0.1, 1.0, 10.0]
"""Of the support vector machine, chosen by cross-validation on the known labels of its task."""


def two_step_labels(features: Tensor, labels: Tensor, seed: int) -> Tensor:
    """Labels (4, N, T) int8 of -1 and 1: features by Soft-Impute, by means, by 0, each with machines; the majority.

    Args:
        features: (N, D) float64, NaN in the holes.
        labels: (N, T) of -1 and 1, NaN where unknown.
        seed: of what is held out.
    """
    means = features.nanmean(0).nan_to_num()
    centred = features - means
    filled = {
        "soft": soft_filled(centred, seed) + means,
        "mean": means.expand_as(features),
        "zero": torch.zeros_like(features),
    }
    votes = [_machines(features.where(~features.isnan(), filling), labels) for filling in filled.values()]
    majority = labels.nansum(0).sign().expand_as(labels)
    return torch.stack([*votes, majority]).to(torch.int8)


def soft_filled(centred: Tensor, seed: int) -> Tensor:
    """Z (N, D) of Soft-Impute, lambda chosen on held-out cells, any rank."""
    seen, held = held_out(centred, 0.1, seed)
    top = float(torch.linalg.matrix_norm(seen.nan_to_num(), 2))
    _, best, z = best_on_path(seen, held, [top * 0.003 ** (i / 14) for i in range(15)], [None], 200, 1e-5)
    return soft_impute(centred, best.penalty, z).shrunk.matrix


def _machines(features: Tensor, labels: Tensor) -> Tensor:
    x = features.cpu().numpy()
    votes = [_machine(x, column) for column in labels.cpu().numpy().T]
    return torch.from_numpy(np.stack(votes, 1)).to(labels)


def _machine(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(N,) labels of one task; of a task with one known label alone all are that."""
    known = ~np.isnan(y)
    least = min((y[known] == sign).sum() for sign in (-1, 1))
    if least == 0:
        return np.full(len(y), y[known][0] if known.any() else 1.0)
    machine = LinearSVC(random_state=0, max_iter=50_000)
    if least > 1:
        folds = StratifiedKFold(int(min(3, least)), shuffle=True, random_state=0)
        return GridSearchCV(machine, {"C": COSTS}, cv=folds).fit(x[known], y[known]).predict(x)
    return machine.fit(x[known], y[known]).predict(x)
