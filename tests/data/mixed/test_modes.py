import numpy as np
import pytest
import torch

from leyden.data.mixed.modes import decimals_of, fit_columns, fit_modes
from leyden.data.specs import ColumnSpec


def test_two_gaussians_are_two_modes() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(-10, 1, 600), rng.normal(20, 2, 300)])
    means, stds, weights = fit_modes(values, 10)
    assert weights.sum() == pytest.approx(1)
    for mean, std, weight in ((-10, 1, 2 / 3), (20, 2, 1 / 3)):
        near = abs(means - mean) < 5
        assert weights[near].sum() == pytest.approx(weight, abs=0.01)
        assert (means * weights)[near].sum() / weights[near].sum() == pytest.approx(mean, abs=0.2)
        assert stds[near].max() == pytest.approx(std, rel=0.25)


def test_modes_follow_the_unit() -> None:
    values = np.random.default_rng(0).normal(0, 1, 300)
    one, other = fit_modes(values, 3), fit_modes(values * 1e-6, 3)
    np.testing.assert_allclose(one[0] * 1e-6, other[0], atol=1e-9)
    np.testing.assert_allclose(one[1] * 1e-6, other[1], rtol=1e-4)


def test_a_constant_part_has_one_mode() -> None:
    assert [part.tolist() for part in fit_modes(np.full(5, 3.0), 10)] == [[3.0], [1.0], [1.0]]


@pytest.mark.parametrize(("values", "digits"), [([1, 2], 0), ([0.5, 2], 1), ([1.125], 3), ([1 / 3], 12)])
def test_decimals(values: list[float], digits: int) -> None:
    assert decimals_of(np.array(values)) == digits


def test_fit_columns_counts_categories_and_empty_cells() -> None:
    columns = [
        ColumnSpec(name="n", kind="whole", categories=[], date_format=""),
        ColumnSpec(name="w", kind="category", categories=["a", "b", "c"], date_format=""),
    ]
    values = torch.tensor([[1.0, 0], [5, 1], [torch.nan, 1], [3, 0]], dtype=torch.float64)
    number, word = fit_columns(columns, values, 2)
    assert (number["low"], number["high"], number["missing"]) == (1, 5, 0.25)
    assert word["counts"] == [2, 2, 0]
    with pytest.raises(ValueError, match="no training row has a number in the column 'n'"):
        fit_columns(columns, values[2:3], 2)
