"""KLIEP against a general solver, its constraint, and a ratio that is known."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from leyden.transfer.domain.closed_form.tca import kernel_rows
from leyden.transfer.domain.instances.kliep import ImportanceEstimation, choose_width, fit_ratio, held_out_likelihood

GENERATOR = torch.Generator().manual_seed(0)
SOURCE = torch.randn(60, 1, generator=GENERATOR).double() * 1.5
TARGET = torch.randn(50, 1, generator=GENERATOR).double() * 0.6 + 1.0
CENTRES = TARGET[:8]


def test_the_likelihood_is_that_of_a_solver() -> None:
    ratio = fit_ratio(SOURCE, TARGET, CENTRES, 1.0)
    at_target = kernel_rows(TARGET, CENTRES, "rbf", 1.0).numpy()
    means = kernel_rows(SOURCE, CENTRES, "rbf", 1.0).mean(0).numpy()
    solved = minimize(
        lambda a: -np.log(at_target @ a).sum(), np.full(8, 1 / means.sum()), method="SLSQP", bounds=[(1e-12, None)] * 8,
        constraints=[{"type": "eq", "fun": lambda a: means @ a - 1}], options={"maxiter": 500, "ftol": 1e-10},
    )  # fmt: skip
    assert float(ratio(TARGET).log().sum()) == pytest.approx(-solved.fun, abs=1e-2)


def test_the_mean_over_the_source_is_one() -> None:
    ratio = fit_ratio(SOURCE, TARGET, CENTRES, 1.0)
    assert float(ratio(SOURCE).mean()) == pytest.approx(1)
    assert float(ratio.alpha.min()) >= 0


def test_new_examples_have_a_ratio_that_follows_the_densities() -> None:
    """N(1, 0.6) over N(0, 1.5): above 1 around 1, near 0 far below."""
    places = torch.tensor([[-2.0], [1.0]]).double()
    low, high = fit_ratio(SOURCE, TARGET, TARGET, 1.0)(places).tolist()
    assert low < 0.05
    assert 1.5 < high < 5


def test_the_width_is_the_most_likely_one() -> None:
    gammas = [0.001, 1.0, 1000.0]
    chosen = choose_width(SOURCE, TARGET, TARGET, gammas, 5)
    assert chosen == 1.0
    assert held_out_likelihood(SOURCE, TARGET, TARGET, 1.0, 5) > held_out_likelihood(SOURCE, TARGET, TARGET, 1000.0, 5)


def test_the_near_half_gets_the_weights() -> None:
    near, far = (torch.randn(50, 1, generator=GENERATOR).double() * 0.1 for _ in range(2))
    target = torch.randn(100, 1, generator=GENERATOR).double() * 0.1
    adaptation = ImportanceEstimation(None, 100, 5)
    weights = adaptation.fit(torch.cat([near, far + 1]), torch.zeros(100), target).weights
    assert float(weights[:50].sum()) > 99
    assert float(weights.mean()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-2.0, 100, 5), r"model\.gamma=-2"),
        ((None, 0, 5), r"model\.centres=0"),
        ((None, 10, 1), r"model\.folds=1 2 or more"),
    ],
)
def test_numbers_out_of_range(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImportanceEstimation(*arguments)


def test_a_target_that_no_source_example_is_like() -> None:
    with pytest.raises(ValueError, match="no source example is like the target"):
        ImportanceEstimation(1e6, 5, 5).fit(SOURCE, torch.zeros(60), TARGET + 1e4)
    with pytest.raises(ValueError, match="the target has 3 examples; ask for fewer folds"):
        ImportanceEstimation(1.0, 5, 5).fit(SOURCE, torch.zeros(60), TARGET[:3])
