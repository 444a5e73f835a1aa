"""The shift between two domains: found where there is one, and only there."""

import pytest
import torch
from torch import Tensor

from leyden.transfer.domain.closed_form.tca import discrepancy, kernel_rows
from leyden.transfer.domain.shift import Shift, advice, measure, mmd_test


def cloud(count: int, seed: int) -> Tensor:
    return torch.randn(count, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_mmd_is_that_of_the_definition() -> None:
    source, target = cloud(12, 0), cloud(9, 1) + 1
    x = torch.cat([source, target])
    squares = torch.cdist(x, x).square()
    gamma = 1 / float(squares[~torch.eye(21, dtype=torch.bool)].median())
    rows = kernel_rows(x, x, "rbf", gamma)
    e = torch.tensor([1 / 12] * 12 + [-1 / 9] * 9, dtype=torch.float64)
    assert mmd_test(source, target)[0] == pytest.approx(float(discrepancy(rows, 12) @ e))


def test_equal_distributions_have_no_small_p_too_often() -> None:
    found = [mmd_test(cloud(40, 2 * seed), cloud(30, 2 * seed + 1))[1] for seed in range(40)]
    assert sum(p <= 0.05 for p in found) <= 6  # 2 are expected
    assert mmd_test(cloud(40, 0), cloud(30, 1) + 0.8)[1] == pytest.approx(1 / 501)


def test_a_shift_of_means_goes_with_standardising() -> None:
    shift = measure(cloud(100, 0), cloud(100, 1) + 2)
    assert shift.a_distance > 1.5
    assert shift.after_means < 0.5
    assert shift.p < 0.01


@pytest.mark.parametrize(
    ("shift", "ending"),
    [
        (Shift(0.1, 0.001, 0.4, 0.1), "leyden run data=x model=transfer/tca model.components=null"),
        (Shift(1.8, 0.2, 0.002, 0.1), "leyden run data=x model=transfer/coral model.standardise=domain"),
        (Shift(1.8, 0.2, 0.002, 1.7), "leyden run data=x model=transfer/jda"),
    ],
)
def test_advice_ends_with_a_command(shift: Shift, ending: str) -> None:
    assert advice(shift, ["data=x", "model=transfer/coral"]).endswith(ending)
