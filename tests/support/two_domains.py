"""The toy of the transfer tests: features without random numbers, and two small domains of digits."""

from typing import Any

import torch
from lightning import LightningModule, Trainer, seed_everything
from torch import Tensor

from leyden.data.batches.domains import DomainImages
from leyden.data.columns import LabelledImages
from leyden.data.source import ImageSource
from leyden.data.source.builtin.digits import Digits
from leyden.data.splits import InMemory

ROW, COLUMN = torch.arange(6, dtype=torch.float64)[:, None], torch.arange(3, dtype=torch.float64)
SOURCE: Tensor = torch.sin(1 + 1.7 * ROW + 0.9 * COLUMN)
"""(6, 3) float64."""
TARGET: Tensor = (torch.cos(0.3 + 1.1 * ROW + 0.7 * COLUMN) + 0.5)[:4]
"""(4, 3) float64."""


class Negatives(ImageSource):
    """Digits, white on black turned round; under labels that may be nonsense."""

    name, channels, image_size = "negatives", 1, 8

    def __init__(self, shift: int = 0, brightness: int = 255) -> None:
        self.digits = Digits()
        self.class_names = self.digits.class_names
        self.shift, self.brightness = shift, brightness

    def split(self, stage: Any) -> InMemory[LabelledImages]:
        images, labels = self.digits.split(stage).columns
        return InMemory(LabelledImages(self.brightness - images, (labels + self.shift) % 10))


def trained(
    technique: type[LightningModule], target: ImageSource, epochs: int = 1, data: dict | None = None, **arguments: Any
) -> tuple[Any, Trainer]:
    """A small technique behind some epochs on digits and a target, and its trainer."""
    domains = DomainImages(Digits(), target, **{"batch_size": 64, **(data or {})})
    seed_everything(0, verbose=False)
    model = technique(**domains.spec, **({"widths": [8, 16], "strides": [1, 2], "lr": 0.05} | arguments))
    trainer = Trainer(
        accelerator="cpu", max_epochs=epochs, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, num_sanity_val_steps=0, log_every_n_steps=1,
    )  # fmt: skip
    trainer.fit(model, domains)
    return model, trainer


def same(one: LightningModule, other: LightningModule) -> bool:
    states = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in states)
