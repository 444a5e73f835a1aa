"""NT-Xent against its algorithm box and golden values, in parts too."""

import math

import pytest
import torch
from torch import Tensor

from leyden.metrics.contrastive import nt_xent

FIRST = torch.tensor([[1.0, 0], [0, 1], [1, 1]], dtype=torch.float64)
SECOND = torch.tensor([[1, 0.2], [0.1, 1], [1, 0.8]], dtype=torch.float64)


def algorithm_1(first: Tensor, second: Tensor, tau: float) -> float:
    """Chen et al. 2020, Algorithm 1, loops and all."""
    z = [view for pair in zip(first, second, strict=True) for view in pair]  # 2k - 1 and 2k are partners
    s = [[float(a @ b / (a.norm() * b.norm())) for b in z] for a in z]

    def loss(i: int, j: int) -> float:
        return -math.log(math.exp(s[i][j] / tau) / sum(math.exp(s[i][k] / tau) for k in range(len(z)) if k != i))

    pairs = range(len(first))
    return sum(loss(2 * k, 2 * k + 1) + loss(2 * k + 1, 2 * k) for k in pairs) / len(z)


def test_nt_xent_is_the_algorithms() -> None:
    assert nt_xent(FIRST, SECOND, 0.5).item() == pytest.approx(1.06310856, abs=1e-7)
    first, second = torch.randn(2, 7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for tau in (0.1, 0.5, 1.0):
        assert nt_xent(first, second, tau).item() == pytest.approx(algorithm_1(first, second, tau), rel=1e-9)


def test_nt_xent_knows_its_bounds() -> None:
    same = torch.ones(6, 4)
    assert nt_xent(same, same, 0.3).item() == pytest.approx(math.log(11), rel=1e-6)
    assert nt_xent(FIRST[:1], SECOND[:1], 0.5).item() == 0  # a pair alone has no negatives
    assert nt_xent(SECOND, FIRST, 0.5) == pytest.approx(nt_xent(FIRST, SECOND, 0.5).item())  # symmetric
    assert nt_xent(3 * FIRST, SECOND, 0.5).item() == pytest.approx(1.06310856, abs=1e-7)  # lengths do not matter


def test_parts_of_a_batch_make_the_whole() -> None:
    first, second = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0))
    parts = [nt_xent(first, second, 0.5, rank, 2) for rank in range(3)]
    torch.testing.assert_close(torch.stack(parts).mean(), nt_xent(first, second, 0.5))
