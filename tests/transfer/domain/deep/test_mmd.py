import pytest
import torch
from torch.autograd import gradcheck
from two_domains import SOURCE, TARGET

from leyden.transfer.domain.deep.mmd import FACTORS, MMD, kernel, kernel_rates, mmd, squared_distances


@pytest.mark.parametrize(
    ("rates", "estimate", "value"),
    [([0.5], "biased", 0.0906508689), ([0.5], "unbiased", -0.20687129628), ([0.25, 0.5, 1], "biased", 0.3061888756)],
)
def test_the_toy_s_values(rates: list[float], estimate: str, value: float) -> None:
    assert float(mmd(SOURCE, TARGET, rates, estimate)) == pytest.approx(value, abs=1e-10)


def test_linear_is_the_mean_over_quadruples() -> None:
    k = lambda a, b: torch.exp(-0.5 * (a - b).square().sum())  # noqa: E731
    quadruples = [
        k(SOURCE[i], SOURCE[i + 1]) + k(TARGET[i], TARGET[i + 1])
        - k(SOURCE[i], TARGET[i + 1]) - k(SOURCE[i + 1], TARGET[i])
        for i in (0, 2)
    ]  # fmt: skip
    torch.testing.assert_close(mmd(SOURCE, TARGET, [0.5], "linear"), torch.stack(quadruples).mean())


def test_linear_expects_what_unbiased_is() -> None:
    """The mean over all orders of the images is the U-statistic, up to how many orders are drawn."""
    generator = torch.Generator().manual_seed(0)
    orders = [(torch.randperm(6, generator=generator), torch.randperm(4, generator=generator)) for _ in range(4000)]
    mean = torch.stack([mmd(SOURCE[a], TARGET[b], [0.5], "linear") for a, b in orders]).mean()
    assert float(mean) == pytest.approx(float(mmd(SOURCE, TARGET, [0.5], "unbiased")), abs=0.02)


def test_distances_are_cdist_s() -> None:
    torch.testing.assert_close(squared_distances(SOURCE, TARGET), torch.cdist(SOURCE, TARGET).square())


def test_kernels_are_as_wide_as_the_data() -> None:
    both = torch.cat([SOURCE, TARGET])
    distances = torch.cdist(both, both).square()
    mean = distances.sum() / (10 * 9)
    torch.testing.assert_close(kernel_rates(SOURCE, TARGET), 1 / (torch.tensor(FACTORS, dtype=torch.float64) * mean))
    # so the loss does not depend on the unit of the features
    torch.testing.assert_close(
        mmd(SOURCE, TARGET, kernel_rates(SOURCE, TARGET)),
        mmd(7 * SOURCE, 7 * TARGET, kernel_rates(7 * SOURCE, 7 * TARGET)),
    )


def test_widths_have_no_gradient() -> None:
    source = SOURCE.clone().requires_grad_()
    assert not kernel_rates(source, TARGET).requires_grad


@pytest.mark.parametrize("estimate", ["biased", "unbiased", "linear"])
def test_gradient_of_both_domains(estimate: str) -> None:
    inputs = (SOURCE.clone().requires_grad_(), TARGET.clone().requires_grad_())
    assert gradcheck(lambda s, t: mmd(s, t, [0.3, 1.0], estimate), inputs)


def test_an_image_is_as_near_to_itself_as_kernels_are_many() -> None:
    assert float(kernel(torch.zeros(()), [0.1, 1.0, 5.0])) == 3


def test_one_image_has_no_other() -> None:
    with pytest.raises(ValueError, match=r"data\.batch_size=2 or more, or model\.estimate=biased"):
        mmd(SOURCE[:1], TARGET, [0.5])
    assert mmd(SOURCE[:1], TARGET, [0.5], "biased").isfinite()


def test_an_unknown_estimate_is_refused() -> None:
    with pytest.raises(ValueError, match=r"model\.estimate='median': there are unbiased, biased, linear"):
        MMD(list("ab"), 1, 8, estimate="median")
