"""Two numbers that two optimizers change in turn, so that every step can be worked out by hand."""

from typing import Any

import pytest
import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.optim import SGD, Optimizer
from torch.utils.data import DataLoader, TensorDataset

from leyden.gan.stepping import optimizer_step
from training import Kept, quiet_trainer


class Pair(LightningModule):
    """x lowers 3 x y, then y lowers 4 x y; only y's step is counted. Both begin at 1, the rate is 0.5."""

    def __init__(self, clip: float = 0.0) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.clip = clip
        self.x, self.y = (nn.ParameterDict({"value": torch.ones(())}) for _ in "xy")
        self.losses: list[float] = []

    def training_step(self, batch: Any, batch_index: int) -> None:
        of_x, of_y = self.optimizers()
        self.losses += [
            optimizer_step(self, "x", of_x, lambda: 3 * self.product(), self.clip, counted=False).item(),
            optimizer_step(self, "y", of_y, lambda: 4 * self.product(), self.clip).item(),
        ]

    def product(self) -> Tensor:
        return self.x["value"] * self.y["value"]

    def configure_optimizers(self) -> list[Optimizer]:
        return [SGD(part.parameters(), 0.5) for part in (self.x, self.y)]


def fit(model: Pair, steps: int, **values: Any) -> int:
    run = quiet_trainer(max_steps=steps, max_epochs=-1, **values)
    run.fit(model, DataLoader(TensorDataset(torch.zeros(steps))))
    return run.global_step


def test_each_steps_by_its_own_loss() -> None:
    model = Pair()
    assert fit(model, steps=1) == 1
    # x: 1 - 0.5 * 3 y = -0.5; then y: 1 - 0.5 * 4 x = 2.
    assert (model.x["value"].item(), model.y["value"].item()) == (-0.5, 2)
    assert model.losses == [3, 4 * -0.5]


def test_a_step_freezes_the_other() -> None:
    class Watched(Pair):
        def product(self) -> Tensor:
            active.append((self.x["value"].requires_grad, self.y["value"].requires_grad))
            return super().product()

    active: list[tuple[bool, bool]] = []
    model = Watched()
    assert fit(model, steps=2) == 2  # one of a batch's two steps is counted
    assert active == [(True, False), (False, True)] * 2
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_clips_and_logs_the_norm_before() -> None:
    class Values(Kept):
        def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
            seen.update(metrics)

    seen: dict[str, float] = {}
    model = Pair(clip=0.25)
    fit(model, steps=1, logger=Values(), log_every_n_steps=1)
    assert model.x["value"].item() == pytest.approx(1 - 0.5 * 0.25)
    assert model.y["value"].item() == pytest.approx(1 - 0.5 * 0.25)
    assert [seen["train/gradient_x"], seen["train/gradient_y"]] == pytest.approx([3, 4 * 0.875])
