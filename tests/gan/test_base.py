"""Adversarial training, on two networks small enough to follow by hand."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor, nn

from leyden.data.columns import Images
from leyden.data.loader import Loader
from leyden.data.splits import InMemory
from leyden.gan.base import AdversarialTask, Player
from leyden.gan.losses import LOSSES
from leyden.gan.pixels import to_signed
from training import StepSeed, assert_resumed_is_as_if_left_alone, quiet_trainer


class Points(AdversarialTask):
    """Images of 4 pixels."""

    def __init__(self, norm: bool = False, **values) -> None:
        super().__init__(**values)
        self.generator = nn.Sequential(
            nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 4), nn.Tanh(), nn.Unflatten(1, (1, 2, 2))
        )
        self.discriminator = nn.Sequential(
            nn.Flatten(), nn.Linear(4, 8), nn.BatchNorm1d(8) if norm else nn.Identity(), nn.LeakyReLU(0.2),
            nn.Linear(8, 1), nn.Flatten(0),
        )  # fmt: skip
        self.criterion.constrain(self.discriminator)
        self.set_players(
            discriminator=Player(self.discriminator, self.discriminator_loss, self.options.lr_discriminator),
            generator=Player(self.generator, self.generator_loss, self.options.lr_generator, self.options.n_critic),
        )

    def prepare(self, batch: Images) -> tuple[Tensor, Tensor]:
        with self.graph_for("generator"):
            return to_signed(batch.images), self.generator(torch.randn(len(batch.images), 2, device=self.device))

    def critic(self, images: Tensor) -> Tensor:
        return self.discriminator(self.criterion.augment(images)).float()

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return self.criterion.discriminator_loss(self.critic, real, fake.detach(), self.watch)

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return self.criterion.generator_loss(self.critic, real, fake)

    def configure_callbacks(self) -> list[Callback]:
        return []  # nothing is evaluated

    def on_train_end(self) -> None:
        """Nor here."""


def points() -> Loader:
    images = torch.randint(0, 256, (512, 1, 2, 2), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Loader(InMemory(Images(images)), 8, train=True, seed=0)


def fit(model: LightningModule, steps: int = 6, **values) -> Trainer:
    trainer = quiet_trainer(max_steps=steps, **{"callbacks": [StepSeed()], **values})
    trainer.fit(model, points())
    return trainer


def seeded(**values) -> Points:
    torch.manual_seed(0)
    return Points(**values)


class Watched(Points):
    """Notes the steps that its evaluation sees."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[tuple[str, int]] = []
        self.evaluation = SimpleNamespace(stepped=lambda task: self.order.append(("evaluation", task.global_step)))

    def configure_callbacks(self) -> list[Callback]:
        return AdversarialTask.configure_callbacks(self)


class Saves(Checkpoint):
    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: object) -> None:
        module.order.append(("checkpoint", trainer.global_step))


def test_evaluation_sees_a_step_before_its_checkpoint() -> None:
    model = Watched()
    fit(model, 2, callbacks=[Saves()], enable_checkpointing=True)
    assert model.order == [("evaluation", 1), ("checkpoint", 1), ("evaluation", 2), ("checkpoint", 2)]


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_moves_both_networks(loss: str, precision: str) -> None:
    model, before = seeded(loss=loss, r1=0.5, schedule="cosine"), seeded().state_dict()
    fit(model, precision=precision)
    for network in ("generator", "discriminator"):
        moved = [not torch.equal(v, before[k]) for k, v in model.state_dict().items() if k.startswith(network)]
        assert sum(moved) >= len(moved) - 1  # the losses of differences do not see D's last bias


@pytest.mark.parametrize(("n_critic", "turns_of_g"), [(1, 10), (3, 3), (5, 2)])
def test_a_batch_is_one_step(n_critic: int, turns_of_g: int) -> None:
    model = seeded(n_critic=n_critic)
    trainer = fit(model, steps=10)
    assert trainer.global_step == 10
    steps = [{int(state["step"]) for state in optimizer.state.values()} for optimizer in trainer.optimizers]
    assert steps == [{10}, {turns_of_g}]


def test_no_graph_off_turn() -> None:
    class Watched(Points):
        def prepare(self, batch: Images) -> tuple[Tensor, Tensor]:
            real, fake = super().prepare(batch)
            fakes.append(fake)
            return real, fake

    fakes: list[Tensor] = []
    fit(Watched(n_critic=2), steps=4)
    assert [fake.requires_grad for fake in fakes] == [False, True, False, True]


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [("constant", [1.0] * 5), ("linear", [1, 0.8, 0.6, 0.4, 0.2]), ("cosine", [1, 0.9045, 0.6545, 0.3455, 0.0955])],
)
def test_schedules_act_on_both_rates(schedule: str, rates: list[float]) -> None:
    class Rates(Callback):
        def on_train_batch_start(self, trainer: Trainer, *_) -> None:
            seen.append([optimizer.param_groups[0]["lr"] for optimizer in trainer.optimizers])

    seen: list[list[float]] = []
    fit(seeded(schedule=schedule, lr_generator=1e-3, lr_discriminator=4e-3), steps=5, callbacks=[Rates()])
    torch.testing.assert_close(
        torch.tensor(seen), torch.tensor(rates).outer(torch.tensor([4e-3, 1e-3])), rtol=1e-3, atol=0
    )


def test_clipped_gradient_norm() -> None:
    class Norms(Callback):
        def on_before_optimizer_step(self, trainer: Trainer, module: LightningModule, optimizer) -> None:
            grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
            if grads:
                norms.append(nn.utils.get_total_norm(grads).item())

    norms: list[float] = []
    fit(seeded(clip=0.01), callbacks=[Norms()])
    assert len(norms) >= 8
    assert max(norms) <= 0.01 + 1e-6


def test_refuses_an_ema_that_never_moves() -> None:
    with pytest.raises(ValueError, match=r"must be in \[0, 1\)"):
        Points(ema_decay=1.0)


def test_some_player_must_step_on_every_batch() -> None:
    model = Points()
    players = {name: player._replace(every=2) for name, player in model.players.items()}
    with pytest.raises(ValueError, match="one of the players must step on every batch"):
        model.set_players(**players)


@pytest.mark.parametrize(
    "values",
    [
        {"loss": "wasserstein", "n_critic": 3},
        {"spectral_norm": True, "loss": "hinge", "schedule": "linear"},
        {"r1": 1.0, "clip": 0.5, "color_jitter": 1.0, "label_smoothing": 0.1, "schedule": "cosine"},
    ],
)
def test_resume_is_exact(values: dict, tmp_path: Path) -> None:
    assert_resumed_is_as_if_left_alone(partial(seeded, **values), points, tmp_path, steps=12, stop=5)


@pytest.mark.parametrize("shape", [(6,), (2, 1, 3, 1)])
def test_the_monitor_is_told_what_is_real(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Logits of images, and of patches."""
    model, logged = Points(), {}
    monkeypatch.setattr("leyden.gan.base.logs_now", lambda _: True)
    monkeypatch.setattr(model, "log_dict", logged.update)
    model.watch(torch.full(shape, 2.0), torch.full(shape, 1.0))
    assert logged["train/d_ranking"] == 1
    assert (logged["train/d_accuracy_real"], logged["train/d_accuracy_fake"]) == (1, 0)
