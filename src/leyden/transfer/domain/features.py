"""What a technique without gradient descent sees of an example: pixels, a frozen network's features, or a row."""

from typing import Any

import torch
from torch import Tensor, nn

from leyden.data.splits import InMemory, Split, decode
from leyden.nets.weights import find_weights, load_pretrained
from leyden.nets.zoo import backbone as new_backbone
from leyden.transfer.classifier import evaluation_mode

NONE = "none"
PART = 64
"""Images that go through the network at a time."""


class FrozenFeatures(nn.Module):
    """Images or rows to features (N, D) float64.

    Args:
        channels: of the images; None for rows, which are features already.
        image_size: side of the square images in pixels; None for rows.
        backbone: "none": pixels in [0, 1]; else the network whose features are taken, see ``leyden.nets.zoo.backbone``.

    Raises:
        ValueError: a backbone for rows, or images that it cannot take.
    """

    def __init__(self, channels: int | None, image_size: int | None, backbone: str) -> None:
        super().__init__()
        self.rows = channels is None or image_size is None
        if self.rows and backbone != NONE:
            raise ValueError(f"model.backbone={backbone} takes images, and these are rows: set model.backbone=none")
        self.backbone = None
        if channels is not None and image_size is not None and backbone != NONE:
            self.backbone = new_backbone(backbone, channels, image_size).requires_grad_(False)

    def load(self, weights: str) -> None:
        """Takes over the network's weights, a word or path as in ``find_weights``; "none": they stay random."""
        if self.backbone is not None and weights != NONE:
            load_pretrained(self.backbone, find_weights(weights, self.backbone), self.backbone.stage_names)

    def forward(self, inputs: Tensor) -> Tensor:
        """uint8 images (N, C, S, S), or rows (N, D), to features (N, D)."""
        if self.rows:
            return inputs.double()
        if self.backbone is None:
            return inputs.flatten(1).double() / 255
        with torch.no_grad(), evaluation_mode(self.backbone):
            return torch.cat([self.backbone(part).double() for part in inputs.split(PART)])


def drawn(split: Split, count: int | None, seed: int) -> Any:
    """Columns of ``count`` examples of a split, or of all: drawn at random, in the split's order."""
    columns = split if isinstance(split, InMemory) else decode(split)
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))[:count]
    return columns.take(order.sort().values.to(columns.device))


def evenly(count: int, most: int) -> Tensor:
    """Places (n,) of at most ``most`` of ``count`` examples, evenly spread."""
    wanted = min(count, most)
    return torch.arange(wanted) * count // max(1, wanted)
