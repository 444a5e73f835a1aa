"""A linear critic <w, x> has the gradient w everywhere, whatever the batch: both penalties are known exactly."""

import pytest
import torch
from torch import Tensor, nn

from leyden.gan.penalties import gradient_penalty, r1

SHAPE = (3, 4, 4)


def linear(norm: float):
    weight = nn.functional.normalize(torch.randn(48), dim=0) * norm
    return lambda images: images.flatten(1) @ weight


@pytest.mark.parametrize("count", [1, 16, 64])
@pytest.mark.parametrize("norm", [1.0, 3.0])
def test_penalty_is_per_image_and_does_not_grow_with_the_batch(count: int, norm: float) -> None:
    penalty = gradient_penalty(linear(norm), torch.randn(count, *SHAPE), torch.randn(count, *SHAPE))
    assert penalty.item() == pytest.approx((norm - 1) ** 2, abs=1e-5)


@pytest.mark.parametrize("count", [1, 16])
def test_r1_is_half_the_squared_norm(count: int) -> None:
    assert 10 * r1(linear(1.0), torch.randn(count, *SHAPE)).item() == pytest.approx(5, rel=1e-5)


def test_points_lie_between_each_pair_with_a_weight_of_its_own() -> None:
    seen = []

    def critic(images: Tensor) -> Tensor:
        seen.append(images.detach())
        return images.flatten(1).sum(1)

    gradient_penalty(critic, torch.zeros(64, *SHAPE), torch.ones(64, *SHAPE))
    (points,) = seen
    weights = points.flatten(1)
    assert (weights == weights[:, :1]).all()  # one weight for all pixels of an image
    assert len(weights[:, 0].unique()) == 64
    assert 0 <= weights.min() < 0.2 < 0.8 < weights.max() <= 1


@pytest.mark.parametrize("penalty", [lambda c, x: gradient_penalty(c, x, -x), r1])
def test_the_critics_weights_get_its_gradient_and_the_images_none(penalty) -> None:
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Flatten(), nn.Linear(48, 8), nn.Softplus(), nn.Linear(8, 1), nn.Flatten(0))
    images = torch.randn(4, *SHAPE, requires_grad=True)
    penalty(critic, images).backward()
    assert images.grad is None
    assert critic[1].weight.grad.abs().max() > 0


def test_r1_against_finite_differences() -> None:
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1), nn.Flatten(0))
    images = torch.randn(5, 1, 2, 2)
    steps = torch.eye(4).view(4, 1, 1, 2, 2) * 1e-2
    slopes = torch.stack([(critic(images + step) - critic(images - step)) / 2e-2 for step in steps])
    assert r1(critic, images).item() == pytest.approx(slopes.square().sum(0).mean().item() / 2, rel=1e-3)
