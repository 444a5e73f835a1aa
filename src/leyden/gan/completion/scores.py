"""What both evaluations need: mean squared errors as PSNR, and a sheet of images from all over a split."""

import math
from typing import Literal

import torch
from lightning import Trainer
from torch import Tensor
from torchmetrics import MeanMetric

from leyden.visualization.grid import grid, side_by_side, upscale

SHOWN, COLUMNS = 12, 3
"""Images on a sheet, and in a row of each of its blocks."""
SIDE = 320
"""Pixels of a block's shorter side, at least."""


class Errors:
    """Means of squared errors by name, over everything that was added since they were last taken, on all ranks.

    PSNR is taken of the mean over all pixels of the split: where it is that of each image, averaged, an image that
    happens to be exact would make it infinite.
    """

    def __init__(self) -> None:
        self.means: dict[str, MeanMetric] = {}

    def add(self, name: str, values: Tensor) -> None:
        """Adds values of any shape."""
        if name not in self.means:
            self.means[name] = MeanMetric().to(values.device)
        self.means[name].update(values.float())

    def take(self) -> dict[str, float]:
        """The mean of each, and begins anew."""
        found = {name: metric.compute().item() for name, metric in self.means.items()}
        self.means.clear()
        return found


def decibels(squared_error: float, peak: float) -> float:
    """Peak signal-to-noise ratio 10 log10(peak^2 / error); infinite where there is no error."""
    return 10 * math.log10(peak**2 / squared_error) if squared_error > 0 else math.inf


class Sheet:
    """Some images of each batch, so that those of all classes are seen where a split is sorted by class."""

    def __init__(self) -> None:
        self.parts: list[dict[str, Tensor]] = []

    def places(self, batches: int, size: int) -> list[int]:
        """Which images of one of ``batches`` batches, of ``size``, to add: evenly spread; none if there are enough."""
        missing = SHOWN - sum(len(next(iter(part.values()))) for part in self.parts)
        count = max(0, min(size, missing, -(-SHOWN // max(1, batches))))
        return [(2 * i + 1) * size // (2 * count) for i in range(count)]

    def add(self, blocks: dict[str, Tensor]) -> None:
        """Adds uint8 images (n, C, H, W) to blocks by their titles."""
        self.parts.append({title: images.cpu() for title, images in blocks.items()})

    def draw(self) -> Tensor | None:
        """The blocks side by side, (3, H, W) uint8, and begins anew; None where nothing was added."""
        parts, self.parts = self.parts, []
        if not parts:
            return None
        whole = {title: torch.cat([part[title] for part in parts]) for title in parts[0]}
        return side_by_side({title: upscale(grid(images, COLUMNS), SIDE) for title, images in whole.items()})


def batches_of(trainer: Trainer, stage: Literal["val", "test"]) -> int:
    """How many batches of a stage the trainer takes."""
    return int((trainer.num_val_batches if stage == "val" else trainer.num_test_batches)[0])
