"""Criteria without target labels: golden values, closed forms, skada's scorers as reference."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax
from skada.metrics import DeepEmbeddedValidation, PredictionEntropyScorer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn import functional as F

from leyden.transfer.domain.deep.selection import (
    a_distance,
    dev_risk,
    mean_entropy,
    mutual_information,
    soft_neighbourhood_density,
    target_likeness,
)

P = torch.tensor([[0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0.1, 0.1, 0.8]], dtype=torch.float64)


def test_golden_values() -> None:
    assert float(mean_entropy(P)) == pytest.approx(0.8432501292, abs=1e-10)
    assert float(mutual_information(P)) == pytest.approx(0.2307106244, abs=1e-10)
    assert float(soft_neighbourhood_density(P)) == pytest.approx(0.1346556787, abs=1e-10)


def test_a_network_that_says_one_class_is_seen_through() -> None:
    one, right = torch.eye(3)[[0, 0, 0, 0, 0, 0]], torch.eye(3)[[0, 1, 2, 0, 1, 2]]
    assert float(mean_entropy(one)) == float(mean_entropy(right)) == 0
    assert float(mutual_information(one)) == 0
    assert float(mutual_information(right)) == pytest.approx(math.log(3))
    # dense groups: of six alike each has five neighbours, of three pairs one
    assert float(soft_neighbourhood_density(one)) == pytest.approx(math.log(5))
    assert float(soft_neighbourhood_density(right)) == pytest.approx(0, abs=1e-6)


class Known:
    """A fitted network in skada's eyes: features are what comes in, predictions are the softmax of some of them."""

    module_ = SimpleNamespace(layer_name="features")

    def predict_features(self, x: np.ndarray) -> np.ndarray:
        return x

    def predict_proba(self, x: np.ndarray, **_: Any) -> np.ndarray:
        return softmax(x[:, :3], axis=1)


@pytest.fixture
def domains() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (150, 4), labels and skada's signs of 90 source and 60 target images."""
    rng = np.random.default_rng(0)
    x = np.r_[rng.normal(size=(90, 4)), rng.normal(0.5, size=(60, 4))]
    return x, np.r_[rng.integers(0, 3, 90), np.full(60, -1)], np.r_[np.full(90, 1), np.full(60, -2)]


def test_entropy_is_skada_s(domains: tuple[np.ndarray, ...]) -> None:
    theirs = (
        -PredictionEntropyScorer(reduction="sum")._score(None, Known(), *domains) / 60
    )  # "mean" is over classes, too
    predictions = torch.from_numpy(Known().predict_proba(domains[0][90:]))
    assert float(mean_entropy(predictions)) == pytest.approx(theirs, abs=1e-6)


def test_dev_by_hand() -> None:
    losses, weights = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([2.0, 1.0, 0.5])
    # w l = 2, 2, 2: no covariance with w, so the risk is their mean
    assert dev_risk(losses, weights) == pytest.approx(2)
    # equal weights: the plain mean, also where they have no variance to divide by
    assert dev_risk(losses, torch.ones(3)) == pytest.approx(7 / 3)
    w, wl = weights.numpy(), np.array([2.0, 1.0, 1.0])
    eta = -np.cov(wl, w)[0, 1] / np.var(w, ddof=1)
    assert dev_risk(torch.tensor([1.0, 1.0, 2.0]), weights) == pytest.approx(wl.mean() + eta * w.mean() - eta)


def test_dev_is_skada_s(domains: tuple[np.ndarray, ...]) -> None:
    """skada draws a third of the source for validation; the rest trains the domain classifier.

    Losses are handed to it as a column: its own are a row, which its weights, a column, turn into a matrix.
    """
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    column = lambda y, p: -np.log(p[np.arange(len(y)), y])[:, None]  # noqa: E731
    scorer = DeepEmbeddedValidation(domain_classifier=classifier, loss_func=column, random_state=0)
    theirs = -scorer._score(None, Known(), *domains)
    x, labels, _ = domains
    drawn = train_test_split(x[:90], labels[:90], test_size=0.33, random_state=np.random.RandomState(0))
    train, held, held_labels = (torch.from_numpy(drawn[i]) for i in (0, 1, 3))
    losses = F.cross_entropy(held[:, :3], held_labels, reduction="none")
    assert dev_risk(losses, target_likeness(train, torch.from_numpy(x[90:]), held)) == pytest.approx(theirs, rel=1e-5)


def test_weights_are_the_density_ratio_of_gaussians() -> None:
    """N(0, 1) and N(1, 1): p_t / p_s = exp(x - 1/2), whatever the domains' sizes."""
    generator = torch.Generator().manual_seed(0)
    source, target = torch.randn(4000, 1, generator=generator), torch.randn(2000, 1, generator=generator) + 1
    asked = torch.tensor([[-1.0], [0.0], [1.0], [2.0]])
    torch.testing.assert_close(
        target_likeness(source, target, asked), (asked[:, 0] - 0.5).exp().double(), rtol=0.15, atol=0
    )


def test_a_distance_from_alike_to_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(300, 5, generator=generator), torch.randn(200, 5, generator=generator)
    assert a_distance(a, b) < 0.3
    assert a_distance(a, b + 10) == 2
    assert a_distance(a, b + 10) == a_distance(b + 10, a)
