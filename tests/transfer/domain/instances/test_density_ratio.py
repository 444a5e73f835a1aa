"""The density ratio by a domain classifier: the ratio of two Gaussians is known in closed form."""

import pytest
import torch

from leyden.transfer.domain.adaptation import effective_count
from leyden.transfer.domain.instances.density_ratio import DomainClassifierWeights, density_ratio


def test_the_ratio_of_two_gaussians() -> None:
    """N(1, 1) over N(0, 1) is exp(x - 1/2), for domains of different sizes too."""
    generator = torch.Generator().manual_seed(0)
    source, target = (
        torch.randn(6000, 1, generator=generator).double(),
        torch.randn(3000, 1, generator=generator).double() + 1,
    )
    ratio = density_ratio(source, target, 100.0).log()
    torch.testing.assert_close(ratio, source[:, 0] - 0.5, atol=0.2, rtol=0.1)


def test_weights_are_cut_and_have_the_mean_one() -> None:
    source, target = torch.linspace(-3, 3, 50)[:, None].double(), torch.linspace(2, 4, 50)[:, None].double()
    weights = DomainClassifierWeights(100.0, 2.0).fit(source, torch.zeros(50), target).weights
    assert float(weights.mean()) == pytest.approx(1)
    assert int((weights == weights.max()).sum()) > 3  # several reached the bound


def test_equal_weights_count_as_many_examples() -> None:
    assert effective_count(torch.ones(7)) == pytest.approx(7)
    assert effective_count(torch.tensor([1.0, 0, 0])) == pytest.approx(1)


def test_numbers_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"model\.greatest=0\.0 should be above 0"):
        DomainClassifierWeights(1.0, 0.0)
