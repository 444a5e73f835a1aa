"""Whole pictures for super-resolution: random crops of them to train on, each as it is to judge on."""

import hashlib
import logging
from typing import Any, TypedDict

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2.functional import resize

from leyden.data.loader import Batch, Loader
from leyden.data.module import STAGES, ImageData, Stage
from leyden.data.source import Source
from leyden.data.source.builtin.whole_images import Whole
from leyden.data.splits import InMemory

log = logging.getLogger(__name__)


class Spec(TypedDict):
    """What a technique of super-resolution must know of its data."""

    channels: int
    image_size: int


class SuperResolution(ImageData):
    """Batches of high-resolution pictures; the technique makes the low-resolution ones from them, by ``shrink``.

    Training batches are crops uint8 (B, C, S, S) at random places, turned and mirrored in one of the eight ways;
    validation and test batches are whole pictures, uint8 (1, C, H, W), each of its own size. Targets are all 0. All
    pictures are kept in memory.

    Args:
        source: of images; they may have any sizes.
        image_size: side S of the training crops in pixels.
        batch_size: crops per step and device.
        epoch_size: crops per epoch; every training picture gives as many of them as any other, give or take one.
        sizes: training pictures are also shrunk to these shares of their sides, 1 being the picture itself; what
            becomes smaller than a crop is left out.
        seed: of the order and the crops.

    Raises:
        ValueError: ``sizes`` is not above 0 and up to 1, or a training picture is smaller than a crop.
    """

    def __init__(
        self,
        source: Source,
        image_size: int = 96,
        batch_size: int = 16,
        epoch_size: int = 1600,
        sizes: list[float] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(source, image_size, batch_size, eval_batch_size=1, in_memory=True, seed=seed)
        self.sizes = sizes or [1.0]
        if not all(0 < size <= 1 for size in self.sizes):
            raise ValueError(f"data.sizes={self.sizes}: shares of a picture's sides, above 0 and up to 1")
        self.epoch_size = epoch_size
        self._crops: Crops | None = None

    @property
    def spec(self) -> Spec:  # type: ignore[override]  # there are no classes
        """What the model must know; valid after ``prepare_data``."""
        return Spec(channels=self.source.channels, image_size=self.image_size)

    @property
    def fingerprint(self) -> str:
        """A short hash of the training pictures and of how many there are in each split."""
        digest = hashlib.sha256(repr([len(self.split(stage)) for stage in STAGES]).encode())
        for picture in self.split("train").pictures:
            digest.update(picture.numpy().tobytes())
        return digest.hexdigest()[:16]

    def split(self, stage: Stage) -> Whole:
        """The whole pictures of a stage, read on first use."""
        if stage not in self._splits:
            raw = self.examples(stage)
            pictures = [raw[i][0] for i in range(len(raw))]
            if not pictures:
                raise ValueError(f"{self.source.name}: the {stage} split is empty")
            size = sum(picture.nbytes for picture in pictures)
            log.info("%s: %d pictures to %s, %.1f MB in memory", self.source.name, len(pictures), stage, size / 1e6)
            self._splits[stage] = Whole(pictures)
        found = self._splits[stage]
        assert isinstance(found, Whole)
        return found

    def crops(self) -> "Crops":
        """What cuts the training crops out of the training pictures, of all ``sizes``."""
        if self._crops is None:
            least = self.image_size
            for number, picture in enumerate(self.split("train").pictures):
                if min(picture.shape[1:]) < least:
                    height, width = picture.shape[1:]
                    raise ValueError(
                        f"{self.source.name}: training picture {number} has {width} x {height} pixels, a crop has "
                        f"data.image_size={least}: lower it, or take small pictures away"
                    )
            shrunk = [
                resize(picture, [round(min(picture.shape[1:]) * size)], antialias=True) if size < 1 else picture
                for size in self.sizes
                for picture in self.split("train").pictures
                if round(min(picture.shape[1:]) * size) >= least
            ]
            self._crops = Crops(shrunk, least)
        return self._crops

    def _loader(self, stage: Stage) -> Loader:
        if stage != "train":
            return Loader(self.split(stage), batch_size=1)
        # The loader orders and hands out numbers of pictures; the crops are the "augmentation" of these numbers.
        crops = self.crops()
        numbers = torch.arange(self.epoch_size) % len(crops)
        split = InMemory(numbers, torch.zeros_like(numbers))
        if self.trainer is not None and self.trainer.overfit_batches > 0:  # type: ignore[attr-defined]
            u = torch.rand(self.epoch_size, crops.draws, generator=torch.Generator().manual_seed(self.seed))
            return Loader(InMemory(*crops(numbers, split.targets, u)), self.batch_size)
        numbered = self._on_device(split)
        return Loader(numbered, self.batch_size, train=True, seed=self.seed, augment=crops, limit=self.taken)


class Crops:
    """Turns numbers of pictures into random square crops of them, turned and mirrored.

    The pictures lie in memory one behind another, so that a batch of crops is one look-up, on any device.

    Args:
        pictures: uint8 (C, H, W) each, no side below ``side``.
        side: of the crops in pixels.
    """

    draws = 3

    def __init__(self, pictures: list[Tensor], side: int) -> None:
        self.side = side
        self.channels = len(pictures[0])
        self.pixels = torch.cat([picture.flatten() for picture in pictures])
        self.sizes = torch.tensor([picture.shape[1:] for picture in pictures])
        self.starts = torch.tensor([0, *(picture.numel() for picture in pictures)]).cumsum(0)[:-1]

    def __len__(self) -> int:
        return len(self.starts)

    def __call__(self, images: Tensor, targets: Any, u: Tensor) -> Batch:
        """Crops uint8 (B, C, S, S) of the pictures that ``images`` (B,) are the numbers of, by ``u`` (B, 3)."""
        device = images.device
        if self.pixels.device != device:
            self.pixels, self.sizes, self.starts = self.pixels.to(device), self.sizes.to(device), self.starts.to(device)
        height, width = self.sizes[images].unbind(1)
        places = torch.stack([height, width]) - self.side + 1
        top, left = (u[:, :2].T * places).long().minimum(places - 1)  # u * n may round up to n
        way = (u[:, 2] * 8).long()
        steps = torch.arange(self.side, device=device)
        # (B, S) each: either of them backwards for half of the crops, their roles exchanged for half of all these.
        rows = torch.where((way & 1 > 0)[:, None], steps.flip(0), steps) + top[:, None]
        columns = torch.where((way & 2 > 0)[:, None], steps.flip(0), steps) + left[:, None]
        place = (rows * width[:, None])[:, :, None] + columns[:, None, :]
        place = torch.where((way & 4 > 0)[:, None, None], place.mT, place)
        planes = self.starts[images][:, None] + torch.arange(self.channels, device=device) * (height * width)[:, None]
        return self.pixels[planes[:, :, None, None] + place[:, None]], targets


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
