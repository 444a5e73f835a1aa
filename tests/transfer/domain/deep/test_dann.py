"""The reversed gradient, its schedule, and the step."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
import two_domains
from lightning import Trainer
from torch import Tensor
from torch.nn import functional as F
from two_domains import Negatives, same

from leyden.data.source import ImageSource
from leyden.data.source.builtin.digits import Digits
from leyden.transfer.domain.deep.base import annealed
from leyden.transfer.domain.deep.dann import DANN, ReverseGradient, reversal_strength


def trained(target: ImageSource, **arguments: Any) -> tuple[DANN, Trainer]:
    return two_domains.trained(DANN, target, **({"hidden": 8} | arguments))


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_gradient_is_exactly_minus_lambda_times_it(strength: float) -> None:
    x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(5, 3, dtype=torch.float64)
    out = ReverseGradient.apply(x, strength)
    assert torch.equal(out, x)
    (out * weight).sum().backward()
    assert torch.equal(x.grad, -strength * weight)


@pytest.mark.parametrize(
    ("progress", "strength", "rate"),
    [(0, 0, 0.01), (0.1, 0.46211716, 0.00594604), (0.25, 0.84828364, 0.00390795), (0.5, 0.9866143, 0.00260847),
     (1, 0.9999092, 0.0016556)],
)  # fmt: skip
def test_schedules_have_the_papers_values(progress: float, strength: float, rate: float) -> None:
    assert reversal_strength(progress) == pytest.approx(strength, abs=1e-8)
    assert 0.01 * annealed(progress) == pytest.approx(rate, abs=1e-8)


def test_lambda_scales_the_backbones_gradient_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The domain classifier learns at its full rate whatever lambda is."""
    source = torch.randn(4, 16, requires_grad=True)
    target = torch.randn(4, 16, requires_grad=True)
    model = DANN(list("ab"), 1, 8, widths=[8, 16], strides=[1, 2], hidden=8)
    monkeypatch.setattr("leyden.transfer.domain.deep.dann.logs_now", lambda module: False)
    monkeypatch.setattr(DANN, "progress", 0.5)
    found: list[tuple[Tensor, Tensor]] = []
    for gamma in (1.0, 10.0):
        model.gamma = gamma
        loss = model.domain_loss(source, target)
        logits = model.domain_classifier(torch.cat([source, target])).flatten()
        plain = F.binary_cross_entropy_with_logits(logits, torch.tensor([1.0] * 4 + [0.0] * 4))
        assert torch.equal(loss, plain)
        to_backbone, to_classifier = torch.autograd.grad(loss, [source, model.domain_classifier[0].weight])
        expected, full = torch.autograd.grad(plain, [source, model.domain_classifier[0].weight])
        torch.testing.assert_close(to_backbone, -reversal_strength(0.5, gamma) * expected)
        torch.testing.assert_close(to_classifier, full)
        found.append((to_backbone, to_classifier))
    assert torch.equal(found[0][1], found[1][1])
    assert not torch.equal(found[0][0], found[1][0])


def test_without_a_domain_loss_the_target_has_no_influence() -> None:
    one, _ = trained(Negatives(), domain_weight=0)
    other, _ = trained(Digits(), domain_weight=0)
    assert same(one, other)


def test_the_step_is_the_sum_of_both_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    model, trainer = trained(Negatives())
    assert 0 < trainer.callback_metrics["train/domain_accuracy"] <= 1
    assert model.progress == 1
    batch = next(iter(trainer.datamodule.train_dataloader()))
    features = model.eval().net.features(torch.cat([batch.source.images, batch.target.images]))
    source, target = features.split(64)
    model.options = replace(model.options, domain_weight=0.5)
    monkeypatch.setattr("leyden.transfer.domain.deep.base.logs_now", lambda module: False)
    monkeypatch.setattr("leyden.transfer.domain.deep.dann.logs_now", lambda module: False)
    expected = F.cross_entropy(model.net.head(source), batch.source.labels) + 0.5 * model.domain_loss(source, target)
    torch.testing.assert_close(model.training_step(batch, 0), expected)


def test_a_classifier_that_knows_nothing_costs_log_2() -> None:
    model = DANN(list("ab"), 1, 8, widths=[8], strides=[1])
    for parameter in model.domain_classifier[2].parameters():
        torch.nn.init.zeros_(parameter)
    logits = model.domain_classifier(torch.randn(6, 8)).flatten()
    assert float(F.binary_cross_entropy_with_logits(logits, torch.ones(6)).detach()) == pytest.approx(math.log(2))


def test_sgd_is_annealed_with_every_step() -> None:
    _, trainer = trained(Negatives(), weight_decay=0.01)
    (group,) = trainer.optimizers[0].param_groups
    assert group["lr"] == pytest.approx(0.05 * annealed(1))
    assert (group["momentum"], group["weight_decay"]) == (0.9, 0.01)


def test_domain_accuracy_counts_those_told_right(monkeypatch: pytest.MonkeyPatch) -> None:
    model = DANN(list("ab"), 1, 8, widths=[8], strides=[1])
    model.domain_classifier = torch.nn.Identity()  # a feature above 0 says source
    logged: dict[str, float] = {}
    monkeypatch.setattr(model, "log", lambda name, value: logged.update({name: float(value)}))
    monkeypatch.setattr("leyden.transfer.domain.deep.dann.logs_now", lambda module: True)
    monkeypatch.setattr(DANN, "progress", 0.5)
    model.domain_loss(torch.tensor([[1.0], [2.0], [-1.0]]), torch.tensor([[-1.0]]))
    assert logged == {"train/domain_accuracy": 0.75}


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(ValueError, match=r"model\.domain_weight=-1: should be 0 or more"):
        DANN(list("ab"), 1, 8, domain_weight=-1)
