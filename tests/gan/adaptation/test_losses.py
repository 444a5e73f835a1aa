"""What keeps an adapted generator near its source: values worked out by hand, limits and gradients."""

import math

import pytest
import torch
from torch import Tensor, nn

from leyden.gan.adaptation.losses import (
    correspondence,
    elastic_penalty,
    fisher_information,
    normalised,
    similarities,
)

A = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])
B = torch.tensor([[1.0, 0.0], [5.0, 0.0], [0.0, 1.0]])
HALF = math.sqrt(0.5)


def softmax(first: float, second: float) -> tuple[float, float]:
    total = math.exp(first) + math.exp(second)
    return math.exp(first) / total, math.exp(second) / total


def kl(p: tuple[float, float], q: tuple[float, float]) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def test_similarities_are_cosines_to_all_others() -> None:
    torch.testing.assert_close(similarities(A), torch.tensor([[0.0, HALF], [0.0, HALF], [HALF, HALF]]))
    torch.testing.assert_close(similarities(A.view(3, 2, 1, 1)), similarities(A))


def test_correspondence_of_three_images_by_hand() -> None:
    source = [softmax(1, 0), softmax(1, 0), softmax(0, 0)]
    adapted = [softmax(0, HALF), softmax(0, HALF), softmax(HALF, HALF)]
    by_hand = sum(kl(p, q) for p, q in zip(source, adapted, strict=True)) / 3
    assert correspondence([A], [B]).item() == pytest.approx(by_hand, abs=1e-6)
    assert by_hand == pytest.approx(0.2237113, abs=1e-6)  # KL(source || adapted), the direction of the authors' code
    assert correspondence([A, B], [B, B]).item() == pytest.approx(by_hand / 2, abs=1e-6)


def test_correspondence_is_zero_where_images_are_arranged_alike() -> None:
    turned = B @ torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    assert correspondence([3 * turned], [B]).item() == pytest.approx(0, abs=1e-6)
    assert correspondence([A], [B]).item() > 0.01


def test_correspondence_s_gradient_reaches_the_adapted_features_alone() -> None:
    own, theirs = A.clone().requires_grad_(), B.clone()
    correspondence([own], [theirs]).backward()
    assert own.grad is not None
    assert own.grad.abs().sum() > 0
    step = (own - own.grad).detach()
    assert correspondence([step], [theirs]) < correspondence([A], [B])


def test_two_images_have_no_arrangement() -> None:
    with pytest.raises(ValueError, match="3 images or more, got 2"):
        correspondence([A[:2]], [B[:2]])


def test_fisher_information_of_a_logistic_likelihood() -> None:
    """d ln sigmoid(w z) / dw = (1 - sigmoid(w z)) z, squared and averaged over z."""
    weight = nn.Parameter(torch.tensor([[0.5]]))
    noise = torch.tensor([[1.0], [-2.0], [3.0]])

    def likelihood(z: Tensor) -> Tensor:
        return nn.functional.logsigmoid(z @ weight).sum()

    found = fisher_information(likelihood, {"w": weight}, noise)["w"].item()
    expected = [((1 - 1 / (1 + math.exp(-0.5 * z))) * z) ** 2 for z in (1.0, -2.0, 3.0)]
    assert found == pytest.approx(sum(expected) / 3, rel=1e-6)
    assert weight.grad is None


def test_squares_do_not_cancel() -> None:
    weight = nn.Parameter(torch.ones(2))
    found = fisher_information(lambda z: (z * weight).sum(), {"w": weight}, torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
    assert found["w"].tolist() == [1.0, 0.0]


def test_elastic_penalty_by_hand() -> None:
    weights = {"a": torch.tensor([1.0, 2.0], requires_grad=True), "b": torch.tensor([[3.0]], requires_grad=True)}
    source = {"a": torch.tensor([0.0, 2.0]), "b": torch.tensor([[1.0]])}
    fisher = {"a": torch.tensor([0.5, 9.0]), "b": torch.tensor([[0.25]])}
    penalty = elastic_penalty(weights, source, fisher)
    assert penalty.item() == 0.5 * 1 + 0.25 * 4
    penalty.backward()
    assert weights["a"].grad is not None
    assert weights["a"].grad.tolist() == [1.0, 0.0]  # 2 F (w - w_s)
    assert elastic_penalty(source, source, fisher).item() == 0


def test_normalised_information_has_mean_one() -> None:
    made = normalised({"a": torch.tensor([1.0, 3.0]), "b": torch.tensor([[8.0]])})
    assert made["a"].tolist() == [0.25, 0.75]
    assert made["b"].tolist() == [[2.0]]
    with pytest.raises(ValueError, match="sure of every image"):
        normalised({"a": torch.zeros(2)})
