"""CORAL against golden values, what it promises of covariances, and the rows of Office-Caltech10."""

from pathlib import Path

import pytest
import torch
from domain_toy import LABELS, SOURCE, TARGET
from office_caltech import accuracy

from leyden.transfer.domain.closed_form.coral import Recolouring, power, recoloured


def test_golden_values_of_the_toy() -> None:
    moved = recoloured(SOURCE, TARGET, 1.0)
    assert moved[0].tolist() == pytest.approx([0.91354118, 0.88091370, 0.24990915], abs=1e-8)
    assert float(moved.sum()) == pytest.approx(0.5825808525, abs=1e-9)


def test_the_source_gets_the_target_s_covariance() -> None:
    generator = torch.Generator().manual_seed(0)
    source, target = (
        torch.randn(50, 4, dtype=torch.float64, generator=generator) @ torch.randn(4, 4).double() for _ in "st"
    )
    torch.testing.assert_close(recoloured(source, target, 1e-12).T.cov(), target.T.cov(), rtol=1e-6, atol=1e-6)


def test_power_is_the_matrix_power() -> None:
    matrix = SOURCE.T @ SOURCE + torch.eye(3)
    torch.testing.assert_close(power(matrix, 0.5) @ power(matrix, 0.5), matrix)
    torch.testing.assert_close(power(matrix, -0.5) @ power(matrix, 0.5), torch.eye(3).double())


def test_the_target_is_left_as_it_is() -> None:
    adaptation = Recolouring(1.0)
    assert adaptation.fit(SOURCE, LABELS, TARGET).target is TARGET
    assert adaptation(TARGET) is TARGET


def test_few_examples_and_no_ridge() -> None:
    with pytest.raises(ValueError, match=r"model.ridge=0.0: should be above 0"):
        Recolouring(0.0)
    with pytest.raises(ValueError, match="a covariance needs two examples"):
        Recolouring(1.0).fit(SOURCE, LABELS, TARGET[:1])


def test_office_rows(dev_data: Path) -> None:
    found = [accuracy(dev_data, *pair, Recolouring(1.0)) for pair in (("w", "d"), ("d", "w"))]
    assert [round(100 * value, 2) for value in found] == [84.08, 84.41]
