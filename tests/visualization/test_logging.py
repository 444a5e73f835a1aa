import pytest
import torch
from lightning import LightningModule
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from leyden.visualization.logging import logs_now
from training import Kept, quiet_trainer


class LogsSteps(LightningModule):
    """Logs a number in every step, and notes the steps for which ``logs_now`` is true."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.logged: list[int] = []

    def training_step(self, batch: list[Tensor], batch_index: int) -> Tensor:
        if logs_now(self):
            self.logged.append(self.global_step)
        loss = self.layer(batch[0]).sum()
        self.log("x", loss.detach())
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.mark.parametrize(("every", "steps"), [(0, []), (1, list(range(8))), (3, [2, 5]), (50, [])])
def test_logs_now_agrees_with_lightning(every: int, steps: list[int]) -> None:
    model, logger = LogsSteps(), Kept()
    run = quiet_trainer(max_steps=8, max_epochs=-1, logger=logger, log_every_n_steps=every)
    run.fit(model, DataLoader(TensorDataset(torch.ones(5, 1))))  # so the eight steps are in two epochs
    assert model.logged == logger.steps.get("x", []) == steps
