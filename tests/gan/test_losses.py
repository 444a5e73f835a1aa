import pytest
import torch

from leyden.gan.losses import discriminator_loss, minimax, non_saturating

# torchgan's published test values (tests/torchgan/test_losses.py), on logits.
REAL = torch.tensor([1.3, 2.9, 8.4, 6.3])
FAKE = torch.tensor([4.8, 1.2, -3.5, 5.9])


def test_values_of_torchgan() -> None:
    assert minimax(FAKE).item() == pytest.approx(-3.05099, abs=1e-5)
    assert non_saturating(FAKE).item() == pytest.approx(0.950991, abs=1e-6)
    assert discriminator_loss(REAL, FAKE).item() == pytest.approx(3.1251488, abs=1e-6)


def test_at_chance_the_discriminator_pays_two_bits() -> None:
    undecided = torch.zeros(5)
    assert discriminator_loss(undecided, undecided).item() == pytest.approx(1.3863, abs=1e-4)
    assert non_saturating(undecided).item() == pytest.approx(-minimax(undecided).item())


def test_only_the_non_saturating_loss_pulls_where_the_discriminator_is_sure() -> None:
    pulls = []
    for loss in (minimax, non_saturating):
        logit = torch.tensor([-20.0], requires_grad=True)
        loss(logit).backward()
        pulls.append(logit.grad.item())
    assert pulls[0] == pytest.approx(0, abs=1e-6)
    assert pulls[1] == pytest.approx(-1)


def test_extreme_logits_stay_finite() -> None:
    huge = torch.tensor([1e4, -1e4])
    assert torch.isfinite(discriminator_loss(huge, huge))


def test_smoothing_moves_the_best_real_logit_to_its_target() -> None:
    # The minimum of (1-s) softplus(-x) + s softplus(x) lies where sigmoid(x) = 1 - s.
    logits = torch.linspace(0, 5, 5001)
    never_fake = torch.full((1,), -1e4)
    losses = torch.stack([discriminator_loss(x.unsqueeze(0), never_fake, 0.1) for x in logits])
    assert logits[losses.argmin()].sigmoid().item() == pytest.approx(0.9, abs=1e-3)
