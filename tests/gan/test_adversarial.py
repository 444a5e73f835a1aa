"""The game itself, on two networks small enough to follow by hand."""

import inspect
import typing
from functools import partial
from pathlib import Path

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from training import StepSeed, assert_resumed_is_as_if_left_alone, quiet_trainer

from leyden.data.columns import Images
from leyden.data.loader import Loader
from leyden.data.splits import InMemory
from leyden.gan.adversarial import AdversarialModule, Game
from leyden.gan.losses import LOSSES


class Points(AdversarialModule):
    """Images of 4 pixels."""

    monitor, mode = "val/fid", "min"

    def __init__(self, norm: bool = False, **game) -> None:
        super().__init__(**game)
        self.play(
            nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 4), nn.Tanh(), nn.Unflatten(1, (1, 2, 2))),
            nn.Sequential(
                nn.Flatten(), nn.Linear(4, 8), nn.BatchNorm1d(8) if norm else nn.Identity(), nn.LeakyReLU(0.2),
                nn.Linear(8, 1), nn.Flatten(0),
            ),
        )  # fmt: skip

    def fake(self, real: Tensor, given: None) -> Tensor:
        return self.generator(torch.randn(len(real), 2, device=self.device))


def points() -> Loader:
    images = torch.randint(0, 256, (512, 1, 2, 2), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Loader(InMemory(Images(images)), 8, train=True, seed=0)


def fit(model: LightningModule, steps: int = 6, **values) -> Trainer:
    trainer = quiet_trainer(max_steps=steps, **{"callbacks": [StepSeed()], **values})
    trainer.fit(model, points())
    return trainer


def seeded(**game) -> Points:
    torch.manual_seed(0)
    return Points(**game)


def test_the_options_of_a_technique_are_those_of_the_game() -> None:
    hints = typing.get_type_hints(AdversarialModule.__init__)
    arguments = [name for name in inspect.signature(AdversarialModule.__init__).parameters if name != "self"]
    assert {name: hints[name] for name in arguments} == typing.get_type_hints(Game)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_moves_both_networks(loss: str, precision: str) -> None:
    model, before = seeded(loss=loss, r1=0.5, schedule="cosine"), seeded().state_dict()
    fit(model, precision=precision)
    for network in ("generator", "discriminator"):
        moved = [not torch.equal(v, before[k]) for k, v in model.state_dict().items() if k.startswith(network)]
        assert sum(moved) >= len(moved) - 1  # the losses of differences do not see D's last bias


@pytest.mark.parametrize(("n_critic", "turns_of_g"), [(1, 10), (3, 3), (5, 2)])
def test_a_batch_is_a_step_and_g_waits_for_its_turn(n_critic: int, turns_of_g: int) -> None:
    model = seeded(n_critic=n_critic)
    trainer = fit(model, steps=10)
    assert trainer.global_step == 10
    steps = [{int(state["step"]) for state in optimizer.state.values()} for optimizer in trainer.optimizers]
    assert steps == [{turns_of_g}, {10}]


def test_no_graph_of_the_generator_where_it_is_not_its_turn() -> None:
    class Watched(Points):
        def fake(self, real: Tensor, given: None) -> Tensor:
            fakes.append(super().fake(real, given))
            return fakes[-1]

    fakes: list[Tensor] = []
    fit(Watched(n_critic=2), steps=4)
    assert [fake.requires_grad for fake in fakes] == [False, True, False, True]


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [("constant", [1.0] * 5), ("linear", [1, 0.8, 0.6, 0.4, 0.2]), ("cosine", [1, 0.9045, 0.6545, 0.3455, 0.0955])],
)
def test_schedules_act_on_both_rates_step_by_step(schedule: str, rates: list[float]) -> None:
    class Rates(Callback):
        def on_train_batch_start(self, trainer: Trainer, *_) -> None:
            seen.append([optimizer.param_groups[0]["lr"] for optimizer in trainer.optimizers])

    seen: list[list[float]] = []
    fit(seeded(schedule=schedule, lr_generator=1e-3, lr_discriminator=4e-3), steps=5, callbacks=[Rates()])
    torch.testing.assert_close(
        torch.tensor(seen), torch.tensor(rates).outer(torch.tensor([1e-3, 4e-3])), rtol=1e-3, atol=0
    )


def test_clipped_gradients_have_at_most_that_norm() -> None:
    class Norms(Callback):
        def on_before_optimizer_step(self, trainer: Trainer, module: LightningModule, optimizer) -> None:
            grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
            if grads:
                norms.append(nn.utils.get_total_norm(grads).item())

    norms: list[float] = []
    fit(seeded(clip=0.01), callbacks=[Norms()])
    assert len(norms) >= 8
    assert max(norms) <= 0.01 + 1e-6


def test_spectral_norm_makes_every_layer_of_the_discriminator_one_lipschitz() -> None:
    model = seeded(spectral_norm=True)
    for _ in range(50):  # of the power iteration
        model.discriminator(torch.randn(2, 1, 2, 2))
    layers = [layer for layer in model.discriminator if isinstance(layer, nn.Linear)]
    assert [torch.linalg.matrix_norm(layer.weight, 2).item() for layer in layers] == pytest.approx([1, 1], abs=1e-3)
    assert not any("parametrizations" in name for name in model.generator.state_dict())


def test_the_gradient_penalty_is_the_wasserstein_losss_own() -> None:
    assert Points(loss="wasserstein").weights["gradient_penalty"] == 10
    assert Points(loss="wasserstein", spectral_norm=True).weights["gradient_penalty"] == 0
    assert Points(loss="hinge").weights["gradient_penalty"] == 0
    critic = lambda images: images.flatten(1).sum(1) * 1.5  # noqa: E731  (gradient 3 in 4 pixels)
    penalty = Points(loss="wasserstein").penalty(critic, torch.zeros(3, 1, 2, 2), torch.ones(3, 1, 2, 2))
    assert penalty.item() == pytest.approx(10 * (3 - 1) ** 2)
    assert Points(r1=2.0).penalty(critic, torch.zeros(3, 1, 2, 2), torch.ones(3, 1, 2, 2)).item() == pytest.approx(9)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"loss": "hinge", "label_smoothing": 0.1}, "no target to smooth: set model.label_smoothing=0"),
        ({"loss": "wassserstein"}, "must be one of non_saturating, minimax"),
        ({"n_critic": 0}, "counts batches, from 1; got 0"),
        ({"loss": "wasserstein", "norm": True}, "set model.discriminator_norm to layer or none"),
        ({"r1": 1.0, "norm": True}, "set model.discriminator_norm to layer or none"),
        ({"ema_decay": 1.0}, r"must be in \[0, 1\)"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_cure(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Points(**values)


@pytest.mark.parametrize(
    "game",
    [
        {"loss": "wasserstein", "n_critic": 3},
        {"spectral_norm": True, "loss": "hinge", "schedule": "linear"},
        {"r1": 1.0, "clip": 0.5, "color_jitter": 1.0, "label_smoothing": 0.1, "schedule": "cosine"},
    ],
)
def test_stopped_and_resumed_is_as_if_left_alone(game: dict, tmp_path: Path) -> None:
    assert_resumed_is_as_if_left_alone(partial(seeded, **game), points, tmp_path, steps=12, stop=5)
