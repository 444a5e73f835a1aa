"""Images for generative networks: any source of images, at a power of two; labels are kept for the evaluation alone."""

from typing import Literal, TypeVar

import torch
from torch import Tensor

from leyden.data.columns import Images, LabelledImages
from leyden.data.images import ImageDataModule
from leyden.data.source import ImageSource

AnyImages = TypeVar("AnyImages", Images, LabelledImages)


class GanImages(ImageDataModule):
    """Batches of uint8 images (B, C, H, W), with labels where the source has classes; most techniques ignore them.

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
        source: ImageSource,
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

    def __call__(self, batch: AnyImages, u: Tensor) -> AnyImages:
        """Mirrors those of the images (B, C, H, W) whose ``u`` (B, 1) is below 1/2."""
        mirrored = torch.where((u < 0.5).view(-1, 1, 1, 1), batch.images.flip(-1), batch.images)
        return batch._replace(images=mirrored)
