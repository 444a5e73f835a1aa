from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from torch.nn import functional as F
from two_domains import Negatives, trained

from leyden.transfer.domain.deep.adda import ADDA
from leyden.transfer.domain.deep.base import annealed


def test_each_side_s_loss_reaches_its_own_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leyden.transfer.domain.deep.dann.logs_now", lambda module: False)
    torch.manual_seed(0)
    model = ADDA(list("ab"), 1, 8, widths=[8], strides=[1], hidden=6)
    source, target = torch.randn(4, 8), torch.randn(5, 8, requires_grad=True)
    loss = model.domain_loss(source, target)
    d = model.discriminator
    of_d = F.binary_cross_entropy_with_logits(
        torch.cat([d(source), d(target.detach())]).flatten(), torch.tensor([1.0] * 4 + [0.0] * 5)
    )
    of_encoder = F.binary_cross_entropy_with_logits(d(target).flatten(), torch.ones(5))
    torch.testing.assert_close(loss, of_d + of_encoder)
    weights = list(d.parameters())
    torch.testing.assert_close(
        torch.autograd.grad(loss, [*weights, target], retain_graph=True),
        (*torch.autograd.grad(of_d, weights), *torch.autograd.grad(of_encoder, [target])),
    )


class Watch(Callback):
    """All tensors behind each step."""

    def __init__(self) -> None:
        self.states: list[dict[str, torch.Tensor]] = []
        self.rates: list[list[float]] = []

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: Any) -> None:
        self.states.append({name: value.clone() for name, value in module.state_dict().items()})
        self.rates.append([group["lr"] for group in trainer.optimizers[0].param_groups])


def test_the_phases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight steps: four on the source, then the source's encoder and the classifier stand still, statistics too."""
    watch = Watch()
    configure = ADDA.configure_callbacks
    monkeypatch.setattr(ADDA, "configure_callbacks", lambda self: [*configure(self), watch])
    trained(ADDA, Negatives(), epochs=2, data={"batch_size": 256}, hidden=8, weight_decay=0.1)
    of_source = [name for name in watch.states[0] if name.startswith("of_source.")]
    of_target = [name for name in watch.states[0] if name.startswith("net.backbone.")]
    sides = [name for name in watch.states[0] if name.startswith("discriminator.")]
    assert of_source
    assert of_target
    assert sides

    def moved(names: list[str], a: int, b: int) -> bool:
        return any(not torch.equal(watch.states[a][name], watch.states[b][name]) for name in names)

    assert moved(of_source, 0, 3)
    assert not moved(of_source, 3, 7)
    assert not moved([*of_target, *sides], 0, 3)
    assert moved(of_target, 4, 7)
    assert moved(sides, 4, 7)
    begun, source = watch.states[4], watch.states[3]
    near = [
        (begun[name] - source[name.replace("net.", "of_source.")]).abs().max() for name in of_target if "conv" in name
    ]
    assert max(near) < 1e-3  # one step of rate 2e-4 behind the source's
    assert watch.rates[0] == [pytest.approx(0.05 * annealed(0.25)), pytest.approx(2e-4)]
    assert watch.rates[5][1] == pytest.approx(2e-4 * annealed(0.5))


def test_a_phase_without_steps_is_refused() -> None:
    with pytest.raises(ValueError, match=r"model\.source_part=1: should be above 0 and below 1"):
        ADDA(list("ab"), 1, 8, source_part=1)
