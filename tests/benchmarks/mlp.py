"""The smallest technique there is: what remains of a step is the loop around it."""

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.nn import functional as F


def network(channels: int, image_size: int, classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(channels * image_size**2, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(),
        nn.Linear(256, classes),
    )  # fmt: skip


class MLP(LightningModule):
    monitor, mode, takes_images = "val/loss", "min", True

    def __init__(self, class_names: list[str], channels: int, image_size: int) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.net = network(channels, image_size, len(class_names))

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        images, labels = batch
        return F.cross_entropy(self.net(images.float() / 255), labels)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        loss = self.loss(batch)
        if (self.global_step + 1) % self.trainer.log_every_n_steps == 0:
            self.log("train/loss", loss.detach())
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        self.log("val/loss", self.loss(batch), batch_size=len(batch.labels))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-3)
