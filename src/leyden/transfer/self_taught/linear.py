"""A linear classifier of few examples, whose penalty is chosen on these alone."""

from typing import Literal

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.svm import LinearSVC
from torch import Tensor

Classifier = Literal["logistic", "svm"]
COSTS = [0.01, 0.1, 1.0, 10.0, 100.0, 1000.0]
"""Inverse weights of the penalty that are tried."""
FOLDS = 5


def fit_linear(
    features: Tensor, labels: Tensor, classes: int, kind: Classifier, c: float | None
) -> tuple[Tensor, Tensor, float]:
    """scikit-learn's logistic regression, or support vector machine, one class against the rest.

    Args:
        features: (N, k).
        labels: (N,), of every class one at least.
        classes: how many.
        kind: of the classifier.
        c: inverse weight of the penalty; None: chosen by stratified cross-validation in 5 folds, or as many as the
            rarest class has examples, of equal scores the strongest penalty; 1 where that is a single one.

    Returns:
        Weights (classes, k) and biases (classes,) float32, and the inverse weight of the penalty.
    """
    x, y = features.cpu().double().numpy(), labels.cpu().numpy()
    learner = LogisticRegression(max_iter=2000) if kind == "logistic" else LinearSVC(random_state=0, max_iter=20_000)
    folds = min(FOLDS, int(np.bincount(y, minlength=classes).min()))
    if c is None and folds > 1:
        search = GridSearchCV(learner, {"C": COSTS}, cv=StratifiedKFold(folds, shuffle=True, random_state=0))
        learner = search.fit(x, y).best_estimator_
    else:
        learner = learner.set_params(C=c or 1.0).fit(x, y)
    weight, bias = torch.from_numpy(learner.coef_), torch.from_numpy(np.atleast_1d(learner.intercept_))
    if classes == 2:  # scikit-learn has one row of two classes
        weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
    return weight.float().to(features.device), bias.float().to(features.device), float(learner.C)
