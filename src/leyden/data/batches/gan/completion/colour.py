"""Colour images for colourisation: the lightness is known, the colours are to be found."""

import logging
from typing import Any, Literal

import torch
from torch import Tensor

from leyden.data.colour_space import to_lab
from leyden.data.columns import ColourImages
from leyden.data.images import ImageDataModule
from leyden.data.loader import Loader
from leyden.data.source import ImageSource
from leyden.data.specs import ColourSpec
from leyden.data.splits import InMemory, Split, Stage

log = logging.getLogger(__name__)

LOOKED_AT = 64
"""Training images, evenly spread, that are looked at for colours."""
AVERAGED = 2000
"""Training images, evenly spread, that the mean colour is taken of."""


class Colours(ImageDataModule):
    """Batches of ``ColourImages``: L, a and b of any RGB images; splits hold the images themselves.

    Args:
        source: of colour images, with classes or without; brought to ``image_size``.
        image_size: side of the square images in pixels; null keeps the source's own.
        batch_size: training images per step and device.
        eval_batch_size: images per validation or test batch.
        in_memory: "auto" decodes once into memory where there is room; true and false force it.
        workers: processes that decode where the data is not in memory.
        flip: mirrors half of the training images left to right.
        hints: pixels at random places whose colour is given, at most: so many in evaluation, 0 to so many in training.
        seed: of the order, the flips and the hints of training; validation and test always have the same hints.

    Raises:
        ValueError: ``hints`` is negative; from ``prepare_data`` on: the images are grey.
    """

    def __init__(
        self,
        source: ImageSource,
        image_size: int | None = None,
        batch_size: int = 64,
        eval_batch_size: int = 256,
        in_memory: Literal["auto"] | bool = "auto",
        workers: int = 0,
        flip: bool = False,
        hints: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(source, image_size, batch_size, eval_batch_size, in_memory, workers, seed)
        if hints < 0:
            raise ValueError(f"data.hints={hints}: a number of pixels, from 0")
        self.hints = hints
        self.augment = ToLab(hints, varied=True, flip=flip)

    def prepare_data(self) -> None:
        """Finds the images, and looks whether they have colours.

        Raises:
            ValueError: they have none.
        """
        super().prepare_data()
        cure = "colours are learned from colour images: choose data/source=image_patches or a folder of such images"
        if self.source.channels != 3:
            raise ValueError(f"the images of {self.source.name} are grey: {cure}")
        split = self.examples("train")
        looked_at = [split[i].images for i in spread(len(split), LOOKED_AT)]
        grey = sum(is_grey(image) for image in looked_at)
        if looked_at and grey == len(looked_at):
            raise ValueError(f"the images of {self.source.name} are grey, though they have three channels: {cure}")
        if grey:
            log.warning(
                "%s: %d of %d images that were looked at are grey, and teach that grey is right",
                *(self.source.name, grey, len(looked_at)),
            )

    @property
    def spec(self) -> ColourSpec:  # type: ignore[override]
        """What the model must know; valid after ``prepare_data``."""
        return ColourSpec(image_size=self.image_size, hints=self.hints)

    @property
    def channels(self) -> int:
        """Red, green and blue."""
        return 3

    def loader(self, stage: Stage) -> Loader:
        """Batches in L, a and b; in evaluation with the same hints always."""
        train = stage == "train"
        return Loader(
            self.on_device(self.split(stage)),
            self.batch_size if train else self.eval_batch_size,
            train=train and not self.overfits,
            seed=self.seed if train else 0,
            augment=self.augment if train else ToLab(self.hints),
            workers=self.workers,
            limit=self.taken if train else 1.0,
            always=True,
        )

    def mean_ab(self) -> Tensor:
        """The mean a and b (2,) of the training images' pixels."""
        return mean_ab(self.split("train"))


class ToLab:
    """Turns a batch with ``images`` uint8 (B, 3, H, W) into ``ColourImages`` (``leyden.data.loader.Augment``).

    Args:
        hints: pixels whose colour is given, at random places; two may be the same.
        varied: whether an image has 0 to ``hints`` of them, each number as likely, or all.
        flip: mirrors half of the images left to right.
    """

    def __init__(self, hints: int = 0, varied: bool = False, flip: bool = False) -> None:
        self.hints, self.varied, self.flip = hints, varied, flip
        self.draws = 2 + hints

    def __call__(self, batch: Any, u: Tensor) -> ColourImages:
        """Converts, mirrors by ``u[:, 0]`` and chooses hints by the other columns of ``u`` (B, draws)."""
        images = batch.images
        if self.flip:
            images = torch.where(u[:, :1, None, None] < 0.5, images.flip(-1), images)
        return ColourImages(*to_lab(images), self.hinted(u[:, 1:], *images.shape[-2:]))

    def hinted(self, u: Tensor, height: int, width: int) -> Tensor:
        """Where the colour is given: bool (B, 1, height, width), by ``u`` (B, 1 + hints)."""
        count = (u[:, :1] * (self.hints + 1)).long() if self.varied else torch.full_like(u[:, :1], self.hints)
        shown = torch.arange(self.hints, device=u.device) < count
        places = (u[:, 1:] * (height * width)).long().clamp_max(height * width - 1)
        given = torch.zeros(len(u), height * width, device=u.device).scatter_add_(1, places, shown.float())
        return (given > 0).view(-1, 1, height, width)


def is_grey(image: Tensor) -> bool:
    """Whether all three channels of a uint8 image (C, H, W) are equal."""
    return len(image) != 3 or bool((image == image[:1]).all())


def spread(size: int, count: int) -> list[int]:
    """At most ``count`` of ``size`` places, evenly spread."""
    count = min(size, count)
    return [i * size // count for i in range(count)]


def mean_ab(split: Split) -> Tensor:
    """The mean a and b (2,) of the pixels of a split of images of one size, evenly spread ones if they are many."""
    places = spread(len(split), AVERAGED)
    if isinstance(split, InMemory):
        images = split.take(torch.tensor(places, device=split.device)).images
    else:
        images = torch.stack([split[i].images for i in places])
    return torch.stack([to_lab(part)[1].mean((0, 2, 3)) * len(part) for part in images.split(256)]).sum(0) / len(images)
