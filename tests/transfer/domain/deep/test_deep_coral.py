import pytest
import torch
from torch.autograd import gradcheck
from two_domains import SOURCE, TARGET

from leyden.transfer.domain.deep.deep_coral import coral, covariance


def test_the_toy_s_value() -> None:
    assert float(coral(SOURCE, TARGET)) == pytest.approx(0.00960565904, abs=1e-11)


def test_covariance_is_torch_s() -> None:
    torch.testing.assert_close(covariance(SOURCE), torch.cov(SOURCE.T))


def test_means_do_not_count_and_scales_do() -> None:
    torch.testing.assert_close(coral(SOURCE + 3, TARGET), coral(SOURCE, TARGET))
    assert float(coral(SOURCE, SOURCE[torch.randperm(6)])) == pytest.approx(0, abs=1e-16)
    # covariance times 4, minus itself: 3 C
    expected = 9 * covariance(SOURCE).square().sum() / 36
    torch.testing.assert_close(coral(2 * SOURCE, SOURCE), expected)


def test_gradient_of_both_domains() -> None:
    assert gradcheck(coral, (SOURCE.clone().requires_grad_(), TARGET.clone().requires_grad_()))


def test_one_image_has_no_covariance() -> None:
    with pytest.raises(ValueError, match=r"covariances.*data\.batch_size=2"):
        coral(SOURCE[:1], TARGET)
