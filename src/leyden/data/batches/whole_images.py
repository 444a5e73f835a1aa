"""Images with classes at their files' own sizes, for networks that prepare images themselves."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

from torch import Tensor

from leyden.data.columns import LabelledImages, WholeImages
from leyden.data.images import ImageDataModule
from leyden.data.source import ImageSource
from leyden.data.splits import Split, labels_of


class Whole(ImageDataModule):
    """Batches of ``WholeImages``, decoded as they are needed.

    Args:
        source: of images with classes.
        batch_size: training images per step and device.
        eval_batch_size: images per validation or test batch.
        seed: of the order.

    Raises:
        ValueError: the source has no images, or fewer than two classes.
    """

    consumes: ClassVar[str] = "images"
    least_classes: ClassVar[int] = 2

    def __init__(self, source: ImageSource, batch_size: int = 32, eval_batch_size: int = 64, seed: int = 0) -> None:
        super().__init__(source, None, batch_size, eval_batch_size, False, 0, seed)

    def prepared(self, raw: Split) -> "OwnSizes":
        """The examples as they are."""
        return OwnSizes(raw)

    def content(self, split: Split) -> Iterator[bytes]:
        """Bytes that tell a split from others: see ``ImageDataModule``."""
        yield from super().content(split.split if isinstance(split, OwnSizes) else split)


class OwnSizes:
    """A split whose batches are lists of images.

    Args:
        split: of ``LabelledImages`` of any sizes.
    """

    draws = 0
    """Random numbers that an example needs, see ``leyden.data.splits.Sampled``."""

    def __init__(self, split: Split) -> None:
        self.split = split
        self.labels = labels_of(split)

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> LabelledImages:
        return LabelledImages(self.split[index].images, self.labels[index])

    def sample(self, indices: Tensor, u: Tensor) -> WholeImages:
        """The examples ``indices`` (B,); nothing is drawn."""
        with ThreadPoolExecutor() as pool:
            images = list(pool.map(lambda index: self.split[index].images, indices.tolist()))
        return WholeImages(images, self.labels[indices])
