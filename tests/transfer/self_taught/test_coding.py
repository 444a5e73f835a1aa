"""Sparse codes and dictionaries against scikit-learn, the conditions of the optimum, and closed forms."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import sparse_encode
from torch import Tensor

from leyden.data.source.builtin.digits import Digits
from leyden.transfer.self_taught.coding import learn_dictionary, objective, sparse_codes


def digits(count: int = 300) -> Tensor:
    images = Digits().split("train").columns.images[:count].flatten(1).double() / 255
    return images - images.mean(0)


@pytest.fixture(scope="module")
def dictionary() -> Tensor:
    return learn_dictionary(digits(), 32, 0.1, 5, 0)


def test_codes_are_scikit_learn_s(dictionary: Tensor) -> None:
    images = digits()[:40]
    wanted = sparse_encode(images.numpy(), dictionary.numpy(), algorithm="lasso_cd", alpha=0.05, max_iter=20_000)
    ours = sparse_codes(images, dictionary, 0.1)
    np.testing.assert_allclose(ours, wanted, atol=1e-3)


def test_codes_meet_the_conditions_of_the_optimum(dictionary: Tensor) -> None:
    """2 B (B^T a - x) = -beta sign(a) where a is not 0, and within beta elsewhere."""
    images, beta = digits()[:40], 0.1
    codes = sparse_codes(images, dictionary, beta, steps=3000)
    slope = 2 * (codes @ dictionary - images) @ dictionary.T
    used = codes != 0
    torch.testing.assert_close(slope[used], -beta * codes[used].sign(), atol=1e-6, rtol=0)
    assert float(slope[~used].abs().max()) <= beta + 1e-6


def test_orthonormal_atoms_shrink() -> None:
    """a = sign(x) (|x| - beta / 2)_+ then."""
    x = torch.tensor([[1.0, -0.3, 0.1]])
    torch.testing.assert_close(sparse_codes(x, torch.eye(3), 0.4), torch.tensor([[0.8, -0.1, 0.0]]))


def test_a_large_beta_leaves_nothing(dictionary: Tensor) -> None:
    images = digits()[:10]
    beta = 2 * float((images @ dictionary.T).abs().max())
    assert not sparse_codes(images, dictionary, beta * 1.001).any()
    assert sparse_codes(images, dictionary, beta * 0.9).any()


def test_a_learnt_dictionary_codes_better_than_images(dictionary: Tensor) -> None:
    images = digits()
    assert float(dictionary.norm(dim=1).max()) <= 1 + 1e-9
    drawn = torch.nn.functional.normalize(images[:32], dim=1)
    errors = [float(objective(images, d, sparse_codes(images, d, 0.1), 0.1)) for d in (dictionary, drawn)]
    assert errors[0] < 0.8 * errors[1]


def test_the_seed_decides_the_dictionary(dictionary: Tensor) -> None:
    assert torch.equal(learn_dictionary(digits(), 32, 0.1, 5, 0), dictionary)
    assert not torch.equal(learn_dictionary(digits(), 32, 0.1, 5, 1), dictionary)


def test_there_must_be_images() -> None:
    with pytest.raises(ValueError, match=r"no unlabelled image: set data\.unlabelled_classes"):
        learn_dictionary(torch.zeros(0, 4), 2, 0.1, 1, 0)
