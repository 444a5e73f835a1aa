"""Rotation prediction (Gidaris et al. 2018, "Unsupervised Representation Learning by Predicting Image Rotations").

Each image is turned by 0, 90, 180 and 270 degrees, all four in one batch (sec. 3.1); a network is to say by how much:

    loss = mean over images and turns of -log p(turn | turned image)     (eq. 3)

To tell, it has to know what is in the image. An image without an up has no answer: the digits 0 and 8, or a 6 beside a
9, keep the accuracy below 1. Turns by quarters leave no trace of resampling; ``data.degrees`` should stay 0, as black
corners would tell the turn.

Departure from the paper: features are those behind the last stage, for all backbones.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.transfer.self_supervised.base import SelfSupervisedTask, one_view
from leyden.visualization.logging import logs_now

TURNS = 4
"""Quarters, 0 to 3."""


def all_turns(images: Tensor) -> tuple[Tensor, Tensor]:
    """Each image by all four quarter turns.

    Args:
        images: (B, C, S, S).

    Returns:
        (4B, C, S, S), all unturned ones first, and the turns (4B,) int64.
    """
    turned = torch.cat([images.rot90(k, (2, 3)) for k in range(TURNS)])
    return turned, torch.arange(TURNS, device=images.device).repeat_interleave(len(images))


class Rotation(SelfSupervisedTask):
    """A backbone that learns to tell by how many quarters an image was turned.

    Args:
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        options: the fields of ``leyden.transfer.self_supervised.options.SelfSupervisedOptions``.

    Raises:
        ValueError: an unknown backbone, images that it cannot take, or an option out of its range.
    """

    def __init__(self, channels: int, image_size: int, **options: Any) -> None:
        super().__init__(channels, image_size, **options)
        self.save_hyperparameters(logger=False)
        self.head = nn.Linear(self.backbone.num_features, TURNS)

    def loss(self, batch: Any) -> Tensor:
        """Cross-entropy of the turns of all images, each turned in all four ways."""
        images, turns = all_turns(one_view(batch, "rotation prediction"))
        logits = self.head(self.backbone(images))
        right = (logits.argmax(1) == turns).float().mean()
        if not self.training:
            name = f"{'test' if self.trainer.testing else 'val'}/rotation_accuracy"
            self.log(name, right, batch_size=len(images), on_epoch=True, sync_dist=True)
        elif logs_now(self):
            self.log("train/rotation_accuracy", right)
        return F.cross_entropy(logits, turns)

    def uninformed_loss(self, images: Tensor) -> float:
        """log 4: all turns are as likely."""
        return math.log(TURNS)
