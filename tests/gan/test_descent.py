"""Two numbers that descend by turns, so that every step can be worked out by hand."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer
from torch.utils.data import DataLoader, TensorDataset
from training import Kept, quiet_trainer

from leyden.gan.descent import SCHEDULES, Descent, Schedule


class Pair(Descent):
    """x goes down 3 x y, then y goes down 4 x y; only y's step is counted. Both begin at 1, the rate is 0.5."""

    def __init__(self, clip: float = 0.0) -> None:
        super().__init__(clip)
        self.x, self.y = (nn.ParameterDict({"value": torch.ones(())}) for _ in "xy")
        self.losses: list[float] = []

    def training_step(self, batch: Any, batch_index: int) -> None:
        of_x, of_y = self._optimizers()
        self.losses += [
            self.descend("x", of_x, lambda: 3 * self.product(), counted=False).item(),
            self.descend("y", of_y, lambda: 4 * self.product()).item(),
        ]

    def product(self) -> Tensor:
        return self.x["value"] * self.y["value"]

    def configure_optimizers(self) -> list[Optimizer]:
        return [SGD(part.parameters(), 0.5) for part in (self.x, self.y)]


def fit(model: Pair, steps: int, **values: Any) -> int:
    run = quiet_trainer(max_steps=steps, max_epochs=-1, **values)
    run.fit(model, DataLoader(TensorDataset(torch.zeros(steps))))
    return run.global_step


def test_each_descends_by_its_own_loss_where_the_other_has_gone() -> None:
    model = Pair()
    assert fit(model, steps=1) == 1
    # x: 1 - 0.5 * 3 y = -0.5; then y: 1 - 0.5 * 4 x = 2.
    assert (model.x["value"].item(), model.y["value"].item()) == (-0.5, 2)
    assert model.losses == [3, 4 * -0.5]


def test_a_step_computes_no_gradient_of_the_other_and_all_are_trained_again_behind_it() -> None:
    class Watched(Pair):
        def product(self) -> Tensor:
            active.append((self.x["value"].requires_grad, self.y["value"].requires_grad))
            return super().product()

    active: list[tuple[bool, bool]] = []
    model = Watched()
    assert fit(model, steps=2) == 2  # one of a batch's two steps is counted
    assert active == [(True, False), (False, True)] * 2
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_gradient_is_clipped_to_the_norm_and_logged_as_it_was() -> None:
    class Values(Kept):
        def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
            seen.update(metrics)

    seen: dict[str, float] = {}
    model = Pair(clip=0.25)
    fit(model, steps=1, logger=Values(), log_every_n_steps=1)
    assert model.x["value"].item() == pytest.approx(1 - 0.5 * 0.25)
    assert model.y["value"].item() == pytest.approx(1 - 0.5 * 0.25)
    assert [seen["train/gradient_x"], seen["train/gradient_y"]] == pytest.approx([3, 4 * 0.875])


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [("constant", [1, 1, 1, 1]), ("linear", [1, 0.75, 0.5, 0]), ("cosine", [1, 0.85355, 0.5, 0]),
     ("step", [1, 1, 0.1, 0.1])],
)  # fmt: skip
def test_schedules_by_the_share_that_is_done(schedule: Schedule, factors: list[float]) -> None:
    assert [SCHEDULES[schedule](t) for t in (0, 0.25, 0.5, 1)] == pytest.approx(factors, abs=1e-5)
