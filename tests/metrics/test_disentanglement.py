"""MIG, DCI and the best permutation on codes whose scores are known."""

import math
from itertools import product

import pytest
import torch
from torch import Tensor

from leyden.metrics.disentanglement import (
    DCI,
    best_assignment,
    dci,
    equal_width_bins,
    importance_scores,
    mutual_information,
    mutual_information_gap,
)

GRID = torch.tensor(list(product(range(3), range(10), range(10))))
FACTORS = {"shape": GRID[:, 0], "x": GRID[:, 1] / 9, "y": GRID[:, 2] / 9}
"""Each combination once, so factors are independent to the last digit."""
COPIED = torch.stack([FACTORS["y"], torch.zeros(300), FACTORS["shape"].float(), -2 * FACTORS["x"]], 1)


def of_grid(codes: Tensor) -> DCI:
    return dci(codes, FACTORS, codes, FACTORS)


def turned() -> Tensor:
    x, y = FACTORS["x"], FACTORS["y"]
    return torch.stack([x + y, x - y], 1)


def test_copied_factors_score_one() -> None:
    assert mutual_information_gap(COPIED, FACTORS).tolist() == pytest.approx([1, 1, 1])
    found = of_grid(COPIED)
    assert found.disentanglement == pytest.approx(1)
    assert found.completeness == pytest.approx(1)
    assert found.informativeness > 0.98  # leaves of five examples
    assert found.importance.argmax(0).tolist() == [2, 3, 0]
    assert found.importance[1].tolist() == [0, 0, 0]  # it does not vary


def test_a_turn_of_45_degrees_has_no_gap() -> None:
    """x + y and x - y say as much of x as of y, though together they say all."""
    factors = {name: FACTORS[name] for name in ("x", "y")}
    codes = turned()
    assert mutual_information_gap(codes, factors).tolist() == pytest.approx([0, 0], abs=0.02)
    found = dci(codes, factors, codes, factors)
    assert found.disentanglement < 0.1
    assert found.completeness < 0.1
    assert found.informativeness > 0.9


def test_noise_scores_nothing() -> None:
    torch.manual_seed(0)
    factors = {"class": torch.randint(4, (4000,)), "number": torch.rand(4000)}
    halves = [{name: values[part] for name, values in factors.items()} for part in (slice(2000), slice(2000, None))]
    codes = torch.randn(4000, 5)
    assert mutual_information_gap(codes, factors).max() < 0.02
    found = dci(codes[:2000], halves[0], codes[2000:], halves[1])
    assert found.disentanglement < 0.05
    assert found.completeness < 0.05
    assert found.informativeness < 0.01


def test_a_factor_in_two_latents_has_no_gap_and_is_not_complete() -> None:
    codes = torch.cat([COPIED, COPIED[:, :1]], 1)
    assert mutual_information_gap(codes, FACTORS).tolist() == pytest.approx([1, 1, 0])
    found = of_grid(codes)
    assert found.disentanglement == pytest.approx(1)
    assert found.completeness < 0.99


def test_mutual_information_of_a_copy_is_its_entropy() -> None:
    information = mutual_information(COPIED, FACTORS)
    assert information[2, 0].item() == pytest.approx(math.log(3))
    assert information[0, 2].item() == pytest.approx(math.log(10))
    assert information[0, :2].tolist() == pytest.approx([0, 0], abs=1e-12)
    assert information[1].tolist() == [0, 0, 0]


def test_one_latent_has_nothing_beside_it() -> None:
    assert mutual_information_gap(COPIED[:, 2:3], {"shape": FACTORS["shape"]}).tolist() == pytest.approx([1])


@pytest.mark.parametrize(
    ("importance", "scores"),
    [
        ([[1, 0], [0, 1]], (1, 1)),
        ([[0, 3], [1, 0], [0, 0]], (1, 1)),
        ([[1, 1], [1, 1]], (0, 0)),
        ([[1, 0], [1, 0]], (1, 0)),
        ([[1, 1], [0, 0]], (0, 1)),
        # Rows (1/2, 1/2) of weight 1/2 and (0, 1) of weight 1/2; columns (1, 0) and (1/3, 2/3) of 1/4 and 3/4.
        ([[1, 1], [0, 2]], (0.5, 0.25 + 0.75 * (1 - (math.log(3) - 2 / 3 * math.log(2)) / math.log(2)))),
        ([[0, 0], [0, 0]], (0, 0)),
    ],
)
def test_importance_scores(importance: list[list[float]], scores: tuple[float, float]) -> None:
    found = importance_scores(torch.tensor(importance, dtype=torch.float64))
    assert found == pytest.approx(scores, abs=1e-12)


def test_bins_have_one_width() -> None:
    values = torch.tensor([0.0, 0.24, 0.26, 0.51, 0.99, 1.0])
    assert equal_width_bins(values, 4).tolist() == [0, 0, 1, 2, 3, 3]
    assert equal_width_bins(torch.ones(3), 4).tolist() == [0, 0, 0]


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(ValueError, match="'x' is the same for all 4 examples: leave it out"):
        mutual_information_gap(torch.randn(4, 2), {"x": torch.ones(4)})
    with pytest.raises(ValueError, match=r"\['x'\].*\['y'\]: give the same"):
        dci(torch.randn(4, 2), {"x": torch.rand(4)}, torch.randn(4, 2), {"y": torch.rand(4)})


def test_best_assignment_undoes_a_permutation() -> None:
    torch.manual_seed(0)
    labels = torch.randint(5, (200,))
    order = torch.randperm(5)
    assigned = torch.tensor(best_assignment(order[labels], labels, 5, 5))
    assert torch.equal(assigned[order[labels]], labels)


def test_a_class_stands_for_one_code() -> None:
    """Code 0 has most of class 0, code 1 the rest: it is no second code for it."""
    codes, labels = torch.tensor([0, 0, 0, 1, 1, 2]), torch.tensor([0, 0, 0, 0, 0, 1])
    assert best_assignment(codes, labels, 3, 2) == [0, -1, 1]
