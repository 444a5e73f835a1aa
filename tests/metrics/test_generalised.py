"""Generalised zero-shot accuracies against the plain definitions."""

import math

import pytest
import torch

from leyden.metrics.generalised import GeneralisedAccuracy, calibration_curve, unseen_accuracy

SEEN = torch.tensor([True, True, True, False, False, False])
UNSEEN = torch.tensor([False, False, False, True, True, False])
"""The last class is no candidate."""


def collected(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    metric = GeneralisedAccuracy()
    for rows in torch.arange(len(labels)).split(7):
        metric.update(scores[rows], labels[rows], SEEN, UNSEEN)
    return metric.compute()


def by_definition(scores: torch.Tensor, labels: torch.Tensor, group: torch.Tensor, constant: float) -> float:
    """Mean over the classes of a group of the accuracy within each, all candidates competing."""
    calibrated = (scores.double() - constant * SEEN).masked_fill(~(SEEN | UNSEEN), -math.inf)
    right = calibrated.argmax(1) == labels
    return float(torch.stack([right[labels == c].double().mean() for c in group.nonzero().flatten()]).mean())


@pytest.fixture(scope="module")
def drawn() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(6, (150,), generator=generator)
    scores = torch.randn(150, 6, generator=generator) + 1.5 * torch.nn.functional.one_hot(labels, 6)
    scores[:, :3] += 1  # seen classes are preferred, as ever
    return scores, labels


@pytest.mark.parametrize("constant", [-0.5, 0.0, 0.7, 1.3, 4.0])
def test_curve_is_the_definition(drawn: tuple[torch.Tensor, torch.Tensor], constant: float) -> None:
    scores, labels = drawn
    u, s, h = calibration_curve(collected(scores, labels)).at(constant)
    assert u == pytest.approx(by_definition(scores, labels, UNSEEN, constant))
    assert s == pytest.approx(by_definition(scores, labels, SEEN, constant))
    assert h == pytest.approx(2 * u * s / (u + s))


def test_best_constant_beats_a_fine_grid(drawn: tuple[torch.Tensor, torch.Tensor]) -> None:
    curve = calibration_curve(collected(*drawn))
    grid = max(curve.at(value).harmonic for value in torch.linspace(-6, 6, 500).tolist())
    assert curve.at(curve.best()).harmonic >= grid
    assert curve.at(0.0).harmonic < curve.at(curve.best()).harmonic


def test_ends_of_the_curve(drawn: tuple[torch.Tensor, torch.Tensor]) -> None:
    found = collected(*drawn)
    curve = calibration_curve(found)
    assert curve.unseen[0] == 0
    assert curve.seen[-1] == pytest.approx(0, abs=1e-12)
    assert float(curve.unseen[-1]) == pytest.approx(unseen_accuracy(found))
    assert (curve.unseen.diff() >= 0).all()
    assert (curve.seen.diff() <= 0).all()


def test_classes_count_alike_whatever_their_examples() -> None:
    labels = torch.tensor([3] * 9 + [4])
    scores = torch.zeros(10, 6)
    scores[:, 3] = 1  # class 3 always right, class 4 never
    assert unseen_accuracy(collected(scores, labels)) == pytest.approx(0.5)


def test_equal_margins_change_sides_together() -> None:
    scores = torch.tensor([[1.0, 0, 0, 0, 0, 0], [1.0, 0, 0, 0, 0, 0]])
    curve = calibration_curve(collected(scores, torch.tensor([0, 3])))
    assert [tuple(curve.at(value))[:2] for value in (0.5, 1.0)] == [(0.0, 1.0), (1.0, 0.0)]


def test_perfect_scores_have_area_one() -> None:
    labels = torch.arange(5)
    curve = calibration_curve(collected(torch.nn.functional.one_hot(labels, 6).float(), labels))
    assert curve.area() == pytest.approx(1.0)
    assert curve.at(curve.best()) == (1.0, 1.0, 1.0)


def test_without_unseen_examples_nothing_is_claimed() -> None:
    found = collected(torch.eye(6)[:3], torch.arange(3))
    assert math.isnan(unseen_accuracy(found))
    assert math.isnan(calibration_curve(found).at(0.0).harmonic)
