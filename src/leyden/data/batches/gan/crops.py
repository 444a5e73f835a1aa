"""Crops of whole images for super-resolution to train on, and whole images to evaluate on."""

import logging
from collections.abc import Iterator
from copy import copy
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2.functional import resize

from leyden.data.columns import Images
from leyden.data.images import place_of
from leyden.data.loader import Loader
from leyden.data.module import DataModule
from leyden.data.source import ImageSource
from leyden.data.specs import PixelSpec
from leyden.data.splits import InMemory, Split, Stage, VariedImages

log = logging.getLogger(__name__)


class SuperResolution(DataModule):
    """Batches of high-resolution images; the technique makes the low-resolution ones from them, by ``shrink``.

    Training batches are ``Images`` (B, C, S, S): crops at random places, turned and mirrored in one of the eight ways.
    Validation and test batches are ``Images`` (1, C, H, W): whole images, each of its own size. All images are kept in
    memory. Training images with a side that is smaller than a crop are not trained on, and counted in the log.

    Args:
        source: of images; they may have any sizes.
        image_size: side S of the training crops in pixels.
        batch_size: crops per step and device.
        epoch_size: crops per epoch; every training image gives as many of them as any other, give or take one.
        sizes: training images are also shrunk to these fractions of their sides, 1 being the image itself; what
            becomes smaller than a crop is left out.
        seed: of the order and the crops.

    Raises:
        ValueError: ``sizes`` is not above 0 and up to 1, or every training image is smaller than a crop.
    """

    consumes: ClassVar[str] = "images"
    source: ImageSource

    def __init__(
        self,
        source: ImageSource,
        image_size: int = 96,
        batch_size: int = 16,
        epoch_size: int = 1600,
        sizes: list[float] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(source, batch_size, eval_batch_size=1, seed=seed)
        self.image_size = image_size
        self.sizes = sizes or [1.0]
        if not all(0 < size <= 1 for size in self.sizes):
            raise ValueError(f"data.sizes={self.sizes}: fractions of an image's sides, above 0 and up to 1")
        self.epoch_size = epoch_size
        self._crops: RandomCrops | None = None

    @property
    def spec(self) -> PixelSpec:
        """What the model must know; valid after ``prepare_data``."""
        return PixelSpec(channels=self.source.channels, image_size=self.image_size)

    def content(self, split: Split) -> Iterator[bytes]:
        """Bytes that tell a split from others: all its images."""
        for i in range(len(split)):
            yield split[i].images.numpy().tobytes()

    def prepared(self, raw: Split) -> VariedImages:
        """Whole images, read into memory."""
        split = VariedImages([raw[i].images for i in range(len(raw))])
        size = sum(image.nbytes for image in split.images)
        log.info("%s: %d images, %.1f MB in memory", self.source.name, len(split), size / 1e6)
        return split

    def crops(self, count: int) -> "RandomCrops":
        """``count`` crops an epoch out of the training images, of all ``sizes``."""
        if self._crops is None:
            self._crops = RandomCrops(self._pyramid(), self.image_size)
        return self._crops.of(count)

    def loader(self, stage: Stage) -> Loader:
        """Crops to train on, whole images to evaluate on; the same crops in every epoch where the trainer overfits."""
        if stage != "train":
            return super().loader(stage)
        crops = self.crops(self.epoch_size)
        if self.overfits:
            return Loader(InMemory(crops.fixed(self.seed)), self.batch_size)
        return Loader(self.on_device(crops), self.batch_size, train=True, seed=self.seed, limit=self.taken)

    def _pyramid(self) -> list[Tensor]:
        split, side = self.split("train"), self.image_size
        images = [split[i].images for i in range(len(split))]
        largest = max(min(image.shape[1:]) for image in images)
        if largest < side:
            raise ValueError(
                f"{self.source.name}: no training image has both sides of data.image_size={side} pixels, as a crop "
                f"needs; the largest square in one has {largest}: lower it to that or less"
            )
        for number, image in enumerate(images):
            if min(image.shape[1:]) < side:
                place = place_of(self.examples("train"), number)
                self.source.tally.add(f"with a side below the {side} pixels of a crop, not trained on", place)
        self.source.log_tally()
        return [
            resize(image, [round(min(image.shape[1:]) * size)], antialias=True) if size < 1 else image
            for size in self.sizes
            for image in images
            if round(min(image.shape[1:]) * size) >= side
        ]


class RandomCrops:
    """A split whose examples are random square crops of images, turned and mirrored (``leyden.data.splits.Sampled``).

    Example i is a crop of image i modulo their number. The images lie in memory one behind another, so that a batch of
    crops is one look-up, on any device.

    Args:
        images: uint8 (C, H, W) each, no side below ``side``.
        side: of the crops in pixels.
    """

    draws = 3

    def __init__(self, images: list[Tensor], side: int) -> None:
        self.side = side
        self.channels = len(images[0])
        self.count = len(images)
        self.pixels = torch.cat([image.flatten() for image in images])
        self.sizes = torch.tensor([image.shape[1:] for image in images])
        self.starts = torch.tensor([0, *(image.numel() for image in images)]).cumsum(0)[:-1]

    def __len__(self) -> int:
        return self.count

    @property
    def nbytes(self) -> int:
        """What the images take."""
        return self.pixels.nbytes

    def of(self, count: int) -> "RandomCrops":
        """The same images with ``count`` examples."""
        other = copy(self)
        other.count = count
        return other

    def to(self, device: torch.device) -> "RandomCrops":
        """The same split with its images on ``device``."""
        other = copy(self)
        other.pixels, other.sizes, other.starts = (x.to(device) for x in (self.pixels, self.sizes, self.starts))
        return other

    def fixed(self, seed: int) -> Images:
        """A crop for every example, drawn by ``seed``."""
        u = torch.rand(len(self), self.draws, generator=torch.Generator().manual_seed(seed))
        return self.sample(torch.arange(len(self)), u)

    def sample(self, indices: Tensor, u: Tensor) -> Images:
        """Crops uint8 (B, C, S, S) of the images ``indices`` (B,) modulo their number, by ``u`` (B, 3)."""
        device = self.pixels.device
        numbers, u = indices.to(device) % len(self.starts), u.to(device)
        height, width = self.sizes[numbers].unbind(1)
        places = torch.stack([height, width]) - self.side + 1
        top, left = (u[:, :2].T * places).long().minimum(places - 1)  # u * n may round up to n
        way = (u[:, 2] * 8).long()
        steps = torch.arange(self.side, device=device)
        # (B, S) each: either of them backwards for half of the crops, their roles exchanged for half of all these.
        rows = torch.where((way & 1 > 0)[:, None], steps.flip(0), steps) + top[:, None]
        columns = torch.where((way & 2 > 0)[:, None], steps.flip(0), steps) + left[:, None]
        place = (rows * width[:, None])[:, :, None] + columns[:, None, :]
        place = torch.where((way & 4 > 0)[:, None, None], place.mT, place)
        planes = torch.arange(self.channels, device=device) * (height * width)[:, None] + self.starts[numbers][:, None]
        return Images(self.pixels[planes[:, :, None, None] + place[:, None]])


def shrink(images: Tensor, scale: int) -> Tensor:
    """The low-resolution version of images, as the field's tables make it: bicubic, with antialias.

    Keys' kernel with a = -0.5, widened by ``scale``, as MATLAB's imresize has it, up to the treatment of the edges
    (MATLAB mirrors there, this takes what is inside); rounded to whole grey values, as a file would be.

    Args:
        images: uint8 (B, C, H, W); sides that are no multiple of ``scale`` lose their last pixels.
        scale: divides both sides.

    Returns:
        uint8 (B, C, H // scale, W // scale).
    """
    images = whole_multiple(images, scale)
    return _bicubic(images, images.shape[-2] // scale, images.shape[-1] // scale)


def enlarge(images: Tensor, scale: int) -> Tensor:
    """uint8 images (B, C, H, W) enlarged to (B, C, H * scale, W * scale) with the same kernel: what is to be beaten."""
    return _bicubic(images, images.shape[-2] * scale, images.shape[-1] * scale)


def whole_multiple(images: Tensor, scale: int) -> Tensor:
    """Images (..., H, W) without the last rows and columns that keep a side from being a multiple of ``scale``."""
    height, width = images.shape[-2:]
    return images[..., : height - height % scale, : width - width % scale]


def _bicubic(images: Tensor, height: int, width: int) -> Tensor:
    # With antialias torch takes Pillow's a = -0.5, without it OpenCV's -0.75.
    resized = F.interpolate(images.float(), size=(height, width), mode="bicubic", antialias=True)
    return resized.round().clamp(0, 255).to(torch.uint8)
