"""Two views of a real image have one category: the loss against a golden value, views, and whom gradients reach."""

import math

import pytest
import torch

from leyden.gan.disentangled.agreement import agreement_loss, random_view
from leyden.gan.disentangled.infogan import InfoGAN
from training import quiet_trainer


def tiny(**values) -> InfoGAN:
    torch.manual_seed(0)
    facts = {"class_names": [], "channels": 1, "image_size": 16, "base_channels": 4, "noise_dim": 6}
    return InfoGAN(**{**facts, **values})


def test_agreement_loss_is_the_formula() -> None:
    """Logits ln p of p = (.8, .2), (.2, .8) and (.5, .5), (.1, .9): SimCLR's equation 1 by hand, at 0.5."""
    first, second = torch.tensor([[0.8, 0.2], [0.2, 0.8]]).double(), torch.tensor([[0.5, 0.5], [0.1, 0.9]]).double()
    views = [first[0], second[0], first[1], second[1]]
    total = 0.0
    for i, view in enumerate(views):
        cosines = [float(view @ other / (view.norm() * other.norm())) for other in views]
        others = sum(math.exp(cosines[k] / 0.5) for k in range(4) if k != i)
        total -= math.log(math.exp(cosines[i ^ 1] / 0.5) / others) / 4
    assert total == pytest.approx(0.76508784, abs=1e-7)
    assert agreement_loss(first.log() + 3, second.log()).item() == pytest.approx(0.76508784, abs=1e-7)


def test_agreement_is_best_where_q_is_sure() -> None:
    same = torch.zeros(6, 10)
    assert agreement_loss(same, same).item() == pytest.approx(math.log(11), rel=1e-6)
    apart = torch.eye(10)[:6]
    sure, unsure = (agreement_loss(scale * apart, scale * apart).item() for scale in (60.0, 1.0))
    assert sure == pytest.approx(math.log(1 + 10 * math.exp(-2)), rel=1e-5)  # cosine 1 to its partner, 0 to ten others
    assert sure < unsure < math.log(11)
    assert agreement_loss(60 * apart, 60 * apart.roll(1, 0)).item() > math.log(11)


def test_views_are_near_their_image() -> None:
    """A square in the middle stays about there and as large; what comes in is black."""
    torch.manual_seed(0)
    images = torch.full((200, 1, 16, 16), -1.0)
    images[:, :, 5:11, 5:11] = 1
    views = random_view(images)
    assert views.min() >= -1
    assert views.max() <= 1
    assert (views[:, :, 0] == -1).all()
    assert views.flatten(1).std(0).max() > 0.5  # they differ
    area = (views + 1).sum((1, 2, 3)) / (images + 1).sum((1, 2, 3))
    assert area.min() > 0.7
    assert area.max() < 1.35
    assert area.std() > 0.05


def grads_of(model: InfoGAN) -> None:
    """D's step on real images, with all that comes of generated ones taken out."""
    model.trainer = quiet_trainer(log_every_n_steps=0)
    model.agreement(torch.rand(8, 1, 16, 16) * 2 - 1).backward()


def test_q_learns_from_real_images() -> None:
    model = tiny(agreement_weight=3.0)
    grads_of(model)
    read = {name for name, weight in model.discriminator.named_parameters() if weight.grad is not None}
    assert "real.0.weight" not in read  # D's own head
    for name, weight in model.discriminator.named_parameters():
        assert (name == "real.0.weight") == (weight.grad is None), name
    assert (model.discriminator.trunk[0].weight.grad != 0).any()
    assert (model.discriminator.codes[-1].weight.grad[:10] != 0).any()
    assert (model.discriminator.codes[-1].weight.grad[10:] == 0).all()  # continuous codes are not compared
    assert all(weight.grad is None for weight in model.generator.parameters())


def losses(model: InfoGAN) -> list[float]:
    """Of D and of G, off the loop."""
    model.trainer = quiet_trainer(log_every_n_steps=0)
    torch.manual_seed(1)
    normal, real = torch.randn(8, 18), torch.rand(8, 1, 16, 16) * 2 - 1
    codes = model.codes_of(normal)
    fake = model.generator(model.inputs(normal, codes))
    return [loss(real, fake, codes).item() for loss in (model.discriminator_loss, model.generator_loss)]


def test_the_weight_acts_on_d_alone() -> None:
    """At 0 nothing is drawn, so the training is what it was; G's loss never has the term."""
    of_d, of_g = losses(tiny())
    drawn = torch.rand(())
    weighed = tiny(agreement_weight=3.0)
    of_weighed_d, of_weighed_g = losses(weighed)
    agreement = weighed.agreement(torch.rand(8, 1, 16, 16)).item()
    assert of_weighed_d - of_d == pytest.approx(3 * agreement, rel=0.05)  # other views: about as much
    assert of_weighed_g == of_g
    losses(tiny())
    assert torch.rand(()) == drawn
    model = tiny()
    model.agreement = lambda real: pytest.fail("views were made at weight 0")
    losses(model)
