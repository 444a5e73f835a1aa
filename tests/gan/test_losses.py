import math
from functools import partial

import pytest
import torch

from leyden.gan.losses import LOSSES, SMOOTHED, least_squares, logistic, minimax, non_saturating

REAL = torch.tensor([1.3, 2.9, 8.4, 6.3])
FAKE = torch.tensor([4.8, 1.2, -3.5, 5.9])


# Wasserstein, least squares, minimax and non-saturating are torchgan's published test values on these logits
# (tests/torchgan/test_losses.py); the others follow from the papers' formulas, computed apart.
@pytest.mark.parametrize(
    ("loss", "discriminator", "generator"),
    [
        ("minimax", 3.1251488, -3.05099),
        ("non_saturating", 3.1251488, 0.950991),
        ("least_squares", 19.76125, 7.3425),
        ("hinge", 3.725, -2.1),
        ("wasserstein", -2.625, -2.1),
        ("relativistic", 1.052640, 3.6776396),
        ("relativistic_average", 0.940922, 6.1909220),
    ],
)
def test_published_values(loss: str, discriminator: float, generator: float) -> None:
    assert LOSSES[loss].discriminator(REAL, FAKE).item() == pytest.approx(discriminator, rel=1e-6)
    assert LOSSES[loss].generator(REAL, FAKE).item() == pytest.approx(generator, rel=1e-6)


@pytest.mark.parametrize(
    ("loss", "logit", "discriminator", "generator"),
    [
        ("minimax", 0, 2 * math.log(2), -math.log(2)),
        ("non_saturating", 0, 2 * math.log(2), math.log(2)),
        ("least_squares", 0.5, 0.25, 0.125),
        ("hinge", 0, 2, 0),
        ("wasserstein", 3, 0, -3),
        ("relativistic", 3, math.log(2), math.log(2)),
        ("relativistic_average", 3, 2 * math.log(2), 2 * math.log(2)),
    ],
)
def test_where_the_discriminator_cannot_tell(loss: str, logit: float, discriminator: float, generator: float) -> None:
    undecided = torch.full((5,), float(logit))
    assert LOSSES[loss].discriminator(undecided, undecided).item() == pytest.approx(discriminator)
    assert LOSSES[loss].generator(undecided, undecided).item() == pytest.approx(generator)


@pytest.mark.parametrize("loss", LOSSES)
def test_discriminator_pulls_the_two_apart_and_generator_pulls_fakes_up(loss: str) -> None:
    real, fake = torch.zeros(4, requires_grad=True), torch.zeros(4, requires_grad=True)
    LOSSES[loss].discriminator(real, fake).backward()
    assert (real.grad < 0).all()
    assert (fake.grad >= 0).all() if loss == "least_squares" else (fake.grad > 0).all()
    real.grad = fake.grad = None
    LOSSES[loss].generator(real, fake).backward()
    assert (fake.grad < 0).all()
    assert (real.grad is not None and bool(real.grad.any())) == LOSSES[loss].relative


def test_only_the_non_saturating_loss_pulls_where_the_discriminator_is_sure() -> None:
    pulls = []
    for loss in (minimax, non_saturating):
        logit = torch.tensor([-20.0], requires_grad=True)
        loss(REAL, logit).backward()
        pulls.append(logit.grad.item())
    assert pulls[0] == pytest.approx(0, abs=1e-6)
    assert pulls[1] == pytest.approx(-1)


@pytest.mark.parametrize("loss", LOSSES)
def test_extreme_logits_stay_finite(loss: str) -> None:
    huge = torch.tensor([1e4, -1e4])
    assert torch.isfinite(LOSSES[loss].discriminator(huge, -huge))
    assert torch.isfinite(LOSSES[loss].generator(huge, -huge))


@pytest.mark.parametrize(("loss", "says"), [(logistic, torch.sigmoid), (least_squares, lambda logit: logit)])
def test_smoothing_moves_the_best_real_logit_to_its_target_and_leaves_fakes(loss, says) -> None:
    smoothed = partial(loss, label_smoothing=0.1)
    logits = torch.linspace(-1, 5, 6001)
    losses = torch.stack([smoothed(x.unsqueeze(0), torch.zeros(1)) for x in logits])
    assert says(logits[losses.argmin()]).item() == pytest.approx(0.9, abs=1e-3)
    assert (smoothed(REAL, FAKE) - smoothed(REAL, -FAKE)).item() == pytest.approx(
        (loss(REAL, FAKE) - loss(REAL, -FAKE)).item(), rel=1e-4
    )


def test_whose_targets_can_be_smoothed() -> None:
    for name in SMOOTHED:
        assert torch.isfinite(LOSSES[name].discriminator(REAL, FAKE, label_smoothing=0.1))
