"""Losses, penalties and augmentation that the options choose, on critics whose gradients are known."""

import pytest
import torch
from torch import Tensor, nn

from leyden.gan.criterion import Criterion
from leyden.gan.losses import LOSSES
from leyden.gan.options import AdversarialOptions


def criterion(**values) -> Criterion:
    return Criterion(AdversarialOptions(**values))


def critic(images: Tensor) -> Tensor:
    """A gradient of norm 3 in 4 pixels."""
    return images.flatten(1).sum(1) * 1.5


def test_spectral_norm_makes_layers_one_lipschitz() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1), nn.Flatten(0))
    assert criterion(spectral_norm=True).constrain(network) is network
    for _ in range(50):  # of the power iteration
        network(torch.randn(2, 1, 2, 2))
    layers = [layer for layer in network if isinstance(layer, nn.Linear)]
    assert [torch.linalg.matrix_norm(layer.weight, 2).item() for layer in layers] == pytest.approx([1, 1], abs=1e-3)


def test_penalties_have_their_weights() -> None:
    zeros, ones = torch.zeros(3, 1, 2, 2), torch.ones(3, 1, 2, 2)
    assert criterion(loss="wasserstein").penalty(critic, zeros, ones).item() == pytest.approx(10 * (3 - 1) ** 2)
    assert criterion(gradient_penalty=0.5).penalty(critic, zeros, ones).item() == pytest.approx(0.5 * (3 - 1) ** 2)
    assert criterion(r1=2.0).penalty(critic, zeros, ones).item() == pytest.approx(9)
    assert criterion().penalty(critic, zeros, ones).item() == 0


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_those_of_the_logits(name: str) -> None:
    seen: list[Tensor] = []
    chosen, (real, fake) = criterion(loss=name, gradient_penalty=0.0), torch.randn(2, 5, 1, 2, 2)
    loss = chosen.discriminator_loss(critic, real, fake, lambda *logits: seen.extend(logits))
    assert loss == LOSSES[name].discriminator(critic(real), critic(fake))
    assert torch.equal(seen[0], critic(real))
    assert torch.equal(seen[1], critic(fake))
    assert chosen.generator_loss(critic, real, fake) == LOSSES[name].generator(critic(real), critic(fake))


def test_label_smoothing_reaches_the_loss() -> None:
    real, fake = torch.randn(2, 5, 1, 2, 2)
    expected = LOSSES["least_squares"].discriminator(critic(real) + 0.1, critic(fake))
    smoothed = criterion(loss="least_squares", label_smoothing=0.1).discriminator_loss(critic, real, fake)
    torch.testing.assert_close(smoothed, expected)


def test_augment_does_nothing_by_default() -> None:
    images = torch.randn(4, 3, 8, 8)
    assert torch.equal(criterion().augment(images), images)
    for change in ({"color_jitter": 1.0}, {"translation": 0.25}, {"cutout": 0.5}):
        assert not torch.equal(criterion(**change).augment(images), images)


@pytest.mark.parametrize("values", [{"loss": "wasserstein"}, {"r1": 1.0}])
def test_penalties_refuse_batch_norm(values: dict) -> None:
    with pytest.raises(ValueError, match=r"set model\.discriminator_norm to layer or none"):
        criterion(**values).constrain(nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8)))
