"""Generalised eigenvectors: SciPy's."""

import numpy as np
import pytest
import torch
from scipy.linalg import eigh
from torch import Tensor

from leyden.transfer.domain.closed_form.eigenvectors import scatter, solve


def problem(features: int, rank: int, columns: int) -> tuple[Tensor, Tensor]:
    """A of features whose deviation falls to a fiftieth, G of the size of the smaller half of them."""
    generator = torch.Generator().manual_seed(0)
    rows = (
        torch.randn(rank + 1, features, dtype=torch.float64, generator=generator)
        @ torch.linspace(1, 0.02, features, dtype=torch.float64).diag()
    )
    return scatter(rows), 3 * torch.randn(features, columns, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("mu", [1.0, 1e-3])
@pytest.mark.parametrize(("rank", "columns"), [(400, 1), (400, 3), (60, 3), (400, 120)])
def test_they_are_scipy_s(mu: float, rank: int, columns: int) -> None:
    """Also of an A of few examples, and of a G of many columns."""
    within, apart = problem(150, rank, columns)
    constraint = apart @ apart.T + mu * torch.eye(150, dtype=torch.float64)
    values, vectors = (v[..., ::-1][..., :8].copy() for v in eigh(within.numpy(), constraint.numpy()))
    weights, found = solve(within, apart, 8, mu)
    assert found.numpy() == pytest.approx(values, rel=1e-8)
    np.testing.assert_allclose(weights.abs().numpy(), np.abs(vectors), atol=1e-6 * np.abs(vectors).max())
    torch.testing.assert_close(weights.T @ constraint @ weights, torch.eye(8, dtype=torch.float64))


@pytest.mark.parametrize(("count", "mu", "message"), [(151, 1.0, "there are 1 to 150"), (2, 0.0, "should be above 0")])
def test_what_is_refused(count: int, mu: float, message: str) -> None:
    within, apart = problem(150, 400, 2)
    with pytest.raises(ValueError, match=message):
        solve(within, apart, count, mu)
