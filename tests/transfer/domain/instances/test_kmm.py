"""KMM against a solver of quadratic programs, published values, and the limits of its constraints."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from leyden.transfer.domain.instances.kmm import KernelMeanMatching, kernel_means, kmm_weights, objective, project


def two_clouds() -> tuple[Tensor, Tensor]:
    """Half of the source, the first 50, lies where the target is; the other half a step away."""
    random = np.random.RandomState(0)
    near, far, target = random.randn(50) * 0.1, random.randn(50) * 0.1 + 1, random.randn(100) * 0.1
    return torch.from_numpy(np.concatenate([near, far]))[:, None], torch.from_numpy(target)[:, None]


def test_published_values() -> None:
    """cvxopt and two solvers of skada reach -4895.8428 with a sum of 99.9546 on the near half and 0.0598 on the far."""
    source, target = two_clouds()
    kernel, kappa = kernel_means(source, target, 1.0)
    w = kmm_weights(kernel, kappa)
    assert objective(w, kernel, kappa) == pytest.approx(-4895.84285, abs=1e-3)
    assert float(w[:50].sum()) == pytest.approx(99.9546, abs=0.1)  # the objective is flat there
    assert float(w[50:].sum()) == pytest.approx(0.0598, abs=0.1)
    distance = objective(w, kernel, kappa) * 2 / 100**2 + float(kernel_means(target, target, 1.0)[0].mean())
    assert distance < 1e-5  # weighted MMD^2; 0.3037 without weights


@pytest.mark.parametrize(("bound", "eps"), [(1000.0, None), (1.5, 0.1), (4.0, 0.0)])
def test_the_objective_is_that_of_a_solver(bound: float, eps: float | None) -> None:
    generator = torch.Generator().manual_seed(0)
    source, target = (
        torch.randn(20, 2, generator=generator).double(),
        torch.randn(30, 2, generator=generator).double() + 0.7,
    )
    kernel, kappa = kernel_means(source, target, 0.5)
    w = kmm_weights(kernel, kappa, bound, eps)
    slack = 20 * ((20**0.5 - 1) / 20**0.5 if eps is None else eps)
    matrix, vector = kernel.numpy(), kappa.numpy()
    solved = minimize(
        lambda x: x @ matrix @ x / 2 - vector @ x, np.ones(20), jac=lambda x: matrix @ x - vector, method="SLSQP",
        bounds=[(0, bound)] * 20, options={"maxiter": 500, "ftol": 1e-12},
        constraints=[{"type": "ineq", "fun": lambda x, s=sign: slack - s * (x.sum() - 20)} for sign in (1, -1)],
    )  # fmt: skip
    assert objective(w, kernel, kappa) == pytest.approx(solved.fun, abs=1e-3)
    assert float(w.min()) >= 0
    assert float(w.max()) <= bound
    assert abs(float(w.sum()) - 20) <= slack + 1e-6


def test_projection_is_the_nearest_point() -> None:
    w = torch.tensor([3.0, -1.0, 0.5]).double()
    inside = project(w, 2.0, 2.0, 2.2)
    assert inside.tolist() == pytest.approx([2.0, 0.0, 0.2])  # the greatest stays at its bound, the rest moves
    assert project(torch.tensor([0.5, 0.5]).double(), 2.0, 0.0, 3.0).tolist() == [0.5, 0.5]
    assert float(project(torch.zeros(4).double(), 2.0, 2.0, 3.0).sum()) == pytest.approx(2.0)


def test_a_target_like_the_source_weighs_all_alike() -> None:
    source = torch.randn(40, 2, generator=torch.Generator().manual_seed(0)).double()
    kernel, kappa = kernel_means(source, source, 0.5)
    torch.testing.assert_close(kernel @ kmm_weights(kernel, kappa), kernel.sum(1), atol=1e-2, rtol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1.0, 1000.0, None), r"model\.gamma=-1\.0: .* above 0"),
        ((None, 0.0, None), r"model\.bound=0\.0 should be above 0"),
    ],
)
def test_numbers_out_of_range(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KernelMeanMatching(*arguments)
