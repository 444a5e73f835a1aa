"""Pairs of images, the same in two domains, for translation from one into the other."""

from collections.abc import Iterator
from typing import ClassVar, Literal

import torch
from torch import Tensor

from leyden.data.augment import geometry
from leyden.data.columns import ImagePairs
from leyden.data.images import ImageDataModule
from leyden.data.module import PROBED
from leyden.data.source.pairs_of_images.pair_source import ImagePairSource
from leyden.data.specs import ImagePairSpec
from leyden.data.splits import InMemory, Split, decode, fit_image


class PairedImages(ImageDataModule):
    """Batches of ``ImagePairs``: both images of a pair have the size of the model and are changed alike.

    Args:
        source: pairs of images.
        image_size: side of the square images in pixels; null keeps the source's own.
        batch_size: pairs per step and device.
        eval_batch_size: pairs per validation or test batch.
        in_memory: "auto" decodes once into memory where a quarter of what is free holds all images; true and false
            force it.
        workers: processes that decode where the data is not in memory.
        jitter: training images are enlarged so many times, and a square of ``image_size`` is cut out at a random
            place; 286 / 256 = 1.117 in pix2pix's paper, 1 leaves them as they are.
        flip: mirrors half of the training pairs left to right; wrong for letters and for maps with north at the top.
        seed: of the order and of these changes.

    Raises:
        ValueError: the source does not produce pairs of images, or ``jitter`` is below 1.
    """

    consumes: ClassVar[str] = "image pairs"
    source: ImagePairSource  # type: ignore[assignment]  # its images have no common channels

    def __init__(
        self,
        source: ImagePairSource,
        image_size: int | None = None,
        batch_size: int = 1,
        eval_batch_size: int = 64,
        in_memory: Literal["auto"] | bool = "auto",
        workers: int = 0,
        jitter: float = 1.0,
        flip: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(source, image_size, batch_size, eval_batch_size, in_memory, workers, seed)  # type: ignore[arg-type]
        if jitter < 1:
            raise ValueError(f"data.jitter={jitter}: images are enlarged so many times, 1 or more, such as 1.117")
        if jitter > 1 or flip:
            self.augment = ChangePairs(jitter, flip)

    @property
    def spec(self) -> ImagePairSpec:  # type: ignore[override]  # nothing is known of classes
        """What the model must know; valid after ``prepare_data``."""
        source = self.source
        return ImagePairSpec(channels_a=source.channels_a, channels_b=source.channels_b, image_size=self.image_size)

    @property
    def channels(self) -> int:
        """Of both images together: what a pair takes in memory."""
        return self.source.channels_a + self.source.channels_b

    def prepared(self, raw: Split) -> Split:
        """Pairs at the model's size, decoded into memory if they fit."""
        fitted = FittedPairs(raw, self.image_size, self.source.channels_a, self.source.channels_b)
        return decode(fitted) if self._fits(fitted) else fitted

    def content(self, split: Split) -> Iterator[bytes]:
        """Bytes that tell a split from others: the images of both domains, of 64 pairs where they are not in memory."""
        if isinstance(split, InMemory):
            yield from (column.cpu().numpy().tobytes() for column in split.columns)
            return
        count = min(PROBED, len(split))
        for i in range(count):
            yield from (image.numpy().tobytes() for image in split[i * len(split) // count])


class FittedPairs:
    """Pairs whose images all have one size and their domain's channels.

    Args:
        split: of ``ImagePairs`` of any sizes.
        image_size: side of the square results in pixels.
        channels_a: of domain A.
        channels_b: of domain B.
    """

    def __init__(self, split: Split, image_size: int, channels_a: int, channels_b: int) -> None:
        self.split = split
        self.image_size = image_size
        self.channels = channels_a, channels_b

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> ImagePairs:
        images = zip(self.split[index], self.channels, strict=True)
        return ImagePairs(*(fit_image(image, self.image_size, channels) for image, channels in images))


class ChangePairs:
    """Cuts the same square out of both images of a pair, and mirrors both or none.

    As the paper's: images are enlarged ``jitter`` times, and a square of their former size is cut out. Enlarging and
    cutting are one bilinear resampling here, so the place is no whole pixel.

    Args:
        jitter: 1 or more.
        flip: whether half of the pairs are mirrored left to right.
    """

    draws = geometry.DRAWS

    def __init__(self, jitter: float, flip: bool) -> None:
        self.area = jitter**-2
        self.flip = flip

    def __call__(self, batch: ImagePairs, u: Tensor) -> ImagePairs:
        """Changes images (B, C, S, S) and (B, C', S, S) by ``u`` (B, draws) in [0, 1)."""
        if self.area == 1:
            mirrored = (u[:, 6] < 0.5)[:, None, None, None]
            return ImagePairs(*(torch.where(mirrored, images.flip(3), images) for images in batch))
        theta = geometry.random_affine(u, (self.area, self.area), 1.0, flip=self.flip)
        both = geometry.resample(torch.cat(batch, 1).float(), theta).round_().to(torch.uint8)
        return ImagePairs(*both.split([batch.a.shape[1], batch.b.shape[1]], 1))
