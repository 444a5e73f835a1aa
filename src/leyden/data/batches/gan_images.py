"""Images for generative networks: any source of images, at a power of two; labels are kept for the judge alone."""

from typing import Any, Literal

import torch
from torch import Tensor

from leyden.data.loader import Batch
from leyden.data.module import ImageData
from leyden.data.source import Source


class GanImages(ImageData):
    """Batches of uint8 images (B, C, H, W) with their labels, which unconditional techniques do not look at.

    Args:
        source: where images come from.
        image_size: side of the square images in pixels; small ones are enlarged bilinearly.
        batch_size: training images per step and device.
        eval_batch_size: images per validation or test batch.
        in_memory: "auto" decodes once into memory where a quarter of what is free holds all images; true and false
            force it.
        workers: processes that decode where the data is not in memory.
        flip: mirrors half of the training images left to right; right for faces, wrong for digits.
        seed: of the order and the flips.
    """

    def __init__(
        self,
        source: Source,
        image_size: int = 32,
        batch_size: int = 64,
        eval_batch_size: int = 256,
        in_memory: Literal["auto"] | bool = "auto",
        workers: int = 0,
        flip: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(source, image_size, batch_size, eval_batch_size, in_memory, workers, seed)
        if flip:
            self.augment = Flip()


class Flip:
    """Mirrors an image left to right with probability 1/2."""

    draws = 1

    def __call__(self, images: Tensor, targets: Any, u: Tensor) -> Batch:
        """Mirrors those of ``images`` (B, C, H, W) whose ``u`` (B, 1) is below 1/2."""
        return torch.where((u < 0.5).view(-1, 1, 1, 1), images.flip(-1), images), targets
