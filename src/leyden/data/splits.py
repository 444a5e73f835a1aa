"""A split of a data set: uint8 images with their targets, decoded once into memory or one by one.

Targets are whatever the task needs: an ``int`` class for classification, ``{"boxes", "labels"}`` for detection.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

Target = Any
"""An int class, or for detection {"boxes": (n, 4) float32 xyxy pixels, "labels": (n,) int64} and what else a source
knows (``leyden.data.source.annotations.annotated``)."""


class Split(Protocol):
    """What a source gives for a stage: a length, and pairs of a uint8 (C, H, W) image and a target."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> tuple[Tensor, Target]: ...


class InMemory:
    """A split whose images are one tensor, so that a batch is an index and not a loop.

    Args:
        images: (N, C, H, W) uint8.
        targets: (N,) int64 classes, or a list of N targets.
    """

    def __init__(self, images: Tensor, targets: Tensor | Sequence[Target]) -> None:
        if len(images) != len(targets):
            raise ValueError(f"{len(images)} images but {len(targets)} targets")
        self.images = images
        self.targets = targets

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Target]:
        target = self.targets[index]
        return self.images[index], int(target) if isinstance(self.targets, Tensor) else target

    def take(self, indices: Tensor) -> tuple[Tensor, Any]:
        """The images (B, C, H, W) uint8 and targets at ``indices`` (B,) int64."""
        if isinstance(self.targets, Tensor):
            return self.images.index_select(0, indices), self.targets[indices]
        return self.images.index_select(0, indices), [self.targets[i] for i in indices.tolist()]

    def to(self, device: torch.device) -> "InMemory":
        """The same split with its images and targets on ``device``."""
        if isinstance(self.targets, Tensor):
            return InMemory(self.images.to(device), self.targets.to(device))
        moved = [{k: v.to(device) for k, v in target.items()} for target in self.targets]
        return InMemory(self.images.to(device), moved)


class Subset:
    """Some examples of a split, under labels of their own, still decoded one by one.

    Args:
        split: images and targets.
        indices: (N,) int64 examples of ``split``, in the wanted order; repetitions are allowed.
        targets: (N,) int64 classes that replace those of ``split``.
    """

    def __init__(self, split: Split, indices: Tensor, targets: Tensor) -> None:
        self.split = split
        self.indices = indices
        self.targets = targets

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.split[int(self.indices[index])][0], int(self.targets[index])


def select(split: Split, indices: Tensor, targets: Tensor) -> InMemory | Subset:
    """The examples ``indices`` (N,) of a split under the labels ``targets`` (N,), in memory if the split is."""
    if isinstance(split, InMemory):
        return InMemory(split.images[indices], targets)
    return Subset(split, indices, targets)


def labels_of(split: Split) -> Tensor:
    """The classes (N,) int64 of a split's examples, known without decoding an image.

    Raises:
        ValueError: the split has no class labels.
    """
    if isinstance(split, InMemory | Subset) and isinstance(split.targets, Tensor):
        return split.targets
    raise ValueError("these examples have no class labels: choose a data/source whose images have classes")


class Resized:
    """A split whose images all have the same size and channel count; boxes are scaled along.

    A target with boxes then also has "scale" (2,) float32: pixels of the result per pixel of the original, in x and y.

    Args:
        split: images of any size.
        image_size: side of the square result in pixels.
        channels: 1 turns colour into grey, 3 repeats grey.
        crop: see ``fit_image``; images with boxes are never cropped.
    """

    def __init__(self, split: Split, image_size: int, channels: int, crop: float | None = None) -> None:
        self.split = split
        self.image_size = image_size
        self.channels = channels
        self.crop = crop

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> tuple[Tensor, Target]:
        image, target = self.split[index]
        height, width = image.shape[-2:]
        if isinstance(target, dict):
            if (height, width) != (self.image_size, self.image_size):
                scale = torch.tensor([self.image_size / width, self.image_size / height])
                target = {**target, "boxes": target["boxes"] * scale.repeat(2), "scale": scale}
            return fit_image(image, self.image_size, self.channels), target
        return fit_image(image, self.image_size, self.channels, self.crop), target


def fit_image(image: Tensor, image_size: int, channels: int, crop: float | None = None) -> Tensor:
    """A uint8 (..., C, H, W) image as a square one, resized bilinearly with antialias.

    Args:
        image: of any size.
        image_size: side of the result in pixels.
        channels: 1 turns colour into grey, 3 repeats grey.
        crop: None squeezes the whole image into the square. A number in (0, 1] keeps its proportions: the centre of the
            image is taken, a square whose side is that fraction of the shorter side (ImageNet: 224 / 256 = 0.875).

    Returns:
        uint8 (..., channels, image_size, image_size).
    """
    if image.shape[-3] != channels:
        image = F.rgb_to_grayscale(image) if channels == 1 else image.expand(*image.shape[:-3], channels, -1, -1)
    if crop is None:
        return F.resize(image, [image_size, image_size], antialias=True)
    return F.center_crop(F.resize(image, [round(image_size / crop)], antialias=True), [image_size, image_size])


def decode(split: Split) -> InMemory:
    """Reads every example of ``split`` once; all images must have one size."""
    if isinstance(split, Resized) and isinstance(split.split, InMemory) and isinstance(split.split.targets, Tensor):
        inner = split.split
        parts = [fit_image(part, split.image_size, split.channels, split.crop) for part in inner.images.split(1024)]
        return InMemory(torch.cat(parts), inner.targets)
    first, target = split[0]
    images, targets = first.new_empty(len(split), *first.shape), [target]
    images[0] = first
    for i in range(1, len(split)):  # each into its place: a list of all, then stacked, would take twice the memory
        image, target = split[i]
        if image.shape != first.shape:
            raise ValueError(f"example {i} is {tuple(image.shape)}, the first {tuple(first.shape)}: give all one size")
        images[i] = image
        targets.append(target)
    return InMemory(images, torch.tensor(targets) if isinstance(targets[0], int) else targets)


def stratified(labels: Tensor, fractions: Sequence[float], seed: int = 0) -> list[Tensor]:
    """Splits indices so that every class is shared out in the same proportions.

    Args:
        labels: (N,) int64 classes.
        fractions: the share of each part; they add up to 1.
        seed: of the shuffle inside each class; the split is a pure function of (labels, fractions, seed).

    Returns:
        One sorted int64 index tensor per fraction; together they are 0..N-1, without overlap.
    """
    generator = torch.Generator().manual_seed(seed)
    parts: list[list[Tensor]] = [[] for _ in fractions]
    by_class = labels.argsort(stable=True).split(labels.unique(return_counts=True)[1].tolist())
    for members in by_class:
        members = members[torch.randperm(len(members), generator=generator)]
        edges = (torch.tensor([0.0, *fractions]).cumsum(0) * len(members)).round().long()
        for part, start, stop in zip(parts, edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            part.append(members[start:stop])
    return [torch.cat(part).sort().values for part in parts]
