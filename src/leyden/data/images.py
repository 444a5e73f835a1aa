"""The DataModule of everything that starts from images: one size for all, decoded once where memory allows."""

import logging
import math
import os
from collections.abc import Iterator
from typing import ClassVar, Literal

from leyden.data.module import DataModule
from leyden.data.source import ImageSource
from leyden.data.source.files.image_folder import ImageList
from leyden.data.specs import ImageSpec
from leyden.data.splits import InMemory, Resized, Split, Subset, Unlabelled, decode

log = logging.getLogger(__name__)


class ImageDataModule(DataModule):
    """Batches with ``images`` uint8 (B, C, S, S), and the spec that a model on images needs.

    Args:
        source: where images come from.
        image_size: side S of the square images in pixels; null keeps the source's own.
        batch_size: training examples per step and device.
        eval_batch_size: examples per validation or test batch.
        in_memory: "auto" decodes once into memory where a quarter of what is free holds all images, and the source's
            own limit does where it has one; true and false force it.
        workers: processes that decode where the data is not in memory.
        seed: of the order and the augmentation of training batches.

    Raises:
        ValueError: the source produces something else than ``consumes``.
    """

    consumes: ClassVar[str] = "images"
    least_classes: ClassVar[int] = 0
    """That a source must have; a classifier's data sets 2."""
    source: ImageSource

    def __init__(
        self,
        source: ImageSource,
        image_size: int | None = None,
        batch_size: int = 64,
        eval_batch_size: int = 256,
        in_memory: Literal["auto"] | bool = "auto",
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(source, batch_size, eval_batch_size, workers, seed)
        self.image_size = image_size or source.image_size
        self.in_memory = in_memory
        self.crop: float | None = None
        self._where = set[str]()

    def prepare_data(self) -> None:
        """Finds or downloads the images.

        Raises:
            ValueError: the source has fewer than ``least_classes`` classes.
        """
        super().prepare_data()
        names = list(self.source.class_names)
        if len(names) < self.least_classes:
            raise ValueError(
                f"{self.source.name} has {f'one class, {names[0]!r}' if names else 'no classes'}, but a classifier "
                "needs two or more: put the images of each class into a folder with the class's name. A GAN learns "
                "from images without classes: experiment=gan_dcgan"
            )

    @property
    def spec(self) -> ImageSpec:
        """What the model must know; valid after ``prepare_data``."""
        names = list(self.source.class_names)
        return ImageSpec(class_names=names, channels=self.channels, image_size=self.image_size)

    @property
    def channels(self) -> int:
        """Of the images as the model gets them; valid after ``prepare_data``."""
        return self.source.channels

    def content(self, split: Split) -> Iterator[bytes]:
        """Bytes that tell a split from others: its decoded images.

        Of images that are not in memory only 64, evenly spread, are decoded; which examples they are counts as well,
        and the names and sizes of all files where the source lists them.
        """
        if not isinstance(split, InMemory):
            chosen, files = _behind(split)
            yield from chosen
            yield b"" if files is None else files.files.digest()
        yield from super().content(split)

    def prepared(self, raw: Split) -> Split:
        """Any examples at the model's size, decoded into memory if they fit."""
        resized = Resized(raw, self.image_size, self.channels, self.crop)
        return decode(resized) if self._fits(resized) else resized

    def _fits(self, split: Split) -> bool:
        needed = len(split) * self.channels * self.image_size**2
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        files = _behind(split)[1]
        limit = math.inf if files is None or files.in_memory_limit is None else files.in_memory_limit * 1e9
        chosen = needed < min(free / 4, limit) if self.in_memory == "auto" else self.in_memory
        where = "decoded once into memory" if chosen else f"decoded by {self.workers} workers as needed"
        if self.in_memory == "auto" and not chosen:
            over = (
                "a quarter of the free memory" if free / 4 < limit else f"data.source.in_memory_limit={limit / 1e9:g}"
            )
            where += f", being more than {over} (data.in_memory=true decodes them once all the same)"
        if where not in self._where:  # once, not for each split
            log.info("%s: images are %s", self.source.name, where)
        self._where.add(where)
        return chosen


def place_of(split: Split, number: int) -> str:
    """The file of an example that is not in memory, or ``image 3`` where the source has no files."""
    index = number
    while isinstance(split, Resized | Subset | Unlabelled):
        index = int(split.indices[index]) if isinstance(split, Subset) else index
        split = split.split
    return split.files[index] if isinstance(split, ImageList) else f"image {number}"


def _behind(split: Split) -> tuple[list[bytes], ImageList | None]:
    """Which examples a split that is not in memory takes of what lies behind it, and that, if it is image files."""
    chosen = []
    while isinstance(split, Resized | Subset | Unlabelled):
        if isinstance(split, Subset):
            chosen += [split.indices.numpy().tobytes(), split.labels.cpu().numpy().tobytes()]
        split = split.split
    return chosen, split if isinstance(split, ImageList) else None
