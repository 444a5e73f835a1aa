"""A split of a data set: named columns in memory, or examples that are decoded one by one."""

from typing import Any, Generic, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from leyden.data.columns import Columns, Images, LabelledImages, Scenes, device_of, stack, tensors, to_device

Stage = Literal["train", "val", "test"]
STAGES: tuple[Stage, ...] = ("train", "val", "test")


class Split(Protocol):
    """What a source gives for a stage: a length, and examples that are NamedTuples (``leyden.data.columns``)."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Any: ...


@runtime_checkable
class Sampled(Protocol):
    """A split whose examples are drawn or cut anew each time, by random numbers that the loader gives."""

    draws: int
    """How many random numbers one example needs."""

    def __len__(self) -> int: ...

    def sample(self, indices: Tensor, u: Tensor) -> Any:
        """A batch of the examples ``indices`` (B,) int64, drawn by ``u`` (B, draws) float32, uniform in [0, 1)."""
        ...


@runtime_checkable
class Movable(Protocol):
    """A split that lies in memory and can do so on another device."""

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        ...

    def to(self, device: torch.device) -> Any:
        """The same split on ``device``."""
        ...


@runtime_checkable
class Labelled(Protocol):
    """A split whose examples' classes are known without decoding any."""

    labels: Tensor
    """(N,) int64."""


class InMemory(Generic[Columns]):
    """A split whose columns lie in memory, so that a batch is an index and not a loop.

    Args:
        columns: a NamedTuple of tensors (N, ...) and lists of N entries.

    Raises:
        ValueError: the columns differ in length.
    """

    def __init__(self, columns: Columns) -> None:
        lengths = {name: len(column) for name, column in columns._asdict().items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns of different lengths: {lengths}")
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns[0])

    def __getitem__(self, index: int) -> Columns:
        return self.columns._make(column[index] for column in self.columns)

    def take(self, indices: Tensor) -> Columns:
        """The rows ``indices`` (B,) int64 of all columns; they must lie on the columns' ``device``."""
        return self.columns._make(_rows(column, indices) for column in self.columns)

    @property
    def device(self) -> torch.device:
        """Where the columns lie."""
        return device_of(self.columns)

    @property
    def nbytes(self) -> int:
        """What the columns take, those that are lists left out."""
        return sum(column.nbytes for column in tensors(self.columns))

    def to(self, device: torch.device) -> "InMemory[Columns]":
        """The same split with all its tensors on ``device``."""
        return InMemory(to_device(self.columns, device))


def _rows(column: Any, indices: Tensor) -> Any:
    if isinstance(column, Tensor):
        return column.index_select(0, indices)
    return [column[i] for i in indices.tolist()]


class VariedImages:
    """Images of different sizes in memory, without classes.

    Args:
        images: uint8 (C, H, W) each.
    """

    def __init__(self, images: list[Tensor]) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Images:
        return Images(self.images[index])


class Subset:
    """Some images of a split, under labels of their own, still decoded one by one.

    Args:
        split: of examples with ``images``.
        indices: (N,) int64 examples of ``split``, in the wanted order; repetitions are allowed.
        labels: (N,) int64 classes that replace those of ``split``, if it has any.
    """

    def __init__(self, split: Split, indices: Tensor, labels: Tensor) -> None:
        self.split = split
        self.indices = indices
        self.labels = labels

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> LabelledImages:
        return LabelledImages(self.split[int(self.indices[index])].images, self.labels[index])


def select(split: Split, indices: Tensor, labels: Tensor) -> InMemory[LabelledImages] | Subset:
    """The images ``indices`` (N,) of a split under the labels ``labels`` (N,), in memory if the split is."""
    if isinstance(split, InMemory):
        return InMemory(LabelledImages(split.columns.images[indices], labels))
    return Subset(split, indices, labels)


def labels_of(split: Split) -> Tensor:
    """The classes (N,) int64 of a split's examples, known without decoding an image.

    Raises:
        ValueError: the split has no class labels.
    """
    if isinstance(split, Resized):
        return labels_of(split.split)
    if isinstance(split, Labelled):
        return split.labels
    if isinstance(split, InMemory) and "labels" in split.columns._fields:
        return split.columns.labels
    raise ValueError("these examples have no class labels: choose a data/source whose examples have classes")


class Unlabelled:
    """The images of a split without anything else, still decoded one by one."""

    def __init__(self, split: Split) -> None:
        self.split = split

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> Images:
        return Images(self.split[index].images)


def unlabelled(split: Split) -> InMemory[Images] | Unlabelled:
    """The images of a split without their labels, in memory if the split is."""
    return InMemory(Images(split.columns.images)) if isinstance(split, InMemory) else Unlabelled(split)


class Resized:
    """A split whose images all have the same size and channel count; boxes are scaled along.

    Args:
        split: of examples with ``images`` of any size.
        image_size: side of the square result in pixels.
        channels: 1 turns colour into grey, 3 repeats grey.
        crop: see ``fit_image``; scenes are never cropped.
    """

    def __init__(self, split: Split, image_size: int, channels: int, crop: float | None = None) -> None:
        self.split = split
        self.image_size = image_size
        self.channels = channels
        self.crop = crop

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> Any:
        example = self.split[index]
        if not isinstance(example, Scenes):
            return example._replace(images=fit_image(example.images, self.image_size, self.channels, self.crop))
        image: Tensor = example.images
        target: Any = example.targets
        height, width = image.shape[-2:]
        if (height, width) != (self.image_size, self.image_size):
            scale = torch.tensor([self.image_size / width, self.image_size / height])
            target = {**target, "boxes": target["boxes"] * scale.repeat(2), "scale": scale}
        return Scenes._make((fit_image(image, self.image_size, self.channels), target))


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
    from torchvision.transforms.v2 import functional as F  # here, because it takes 0.8 s, and reports resize nothing

    image = fit_channels(image, channels)
    if crop is None:
        return F.resize(image, [image_size, image_size], antialias=True)
    return F.center_crop(F.resize(image, [round(image_size / crop)], antialias=True), [image_size, image_size])


def fit_channels(image: Tensor, channels: int) -> Tensor:
    """A uint8 (..., C, H, W) image with ``channels``: 1 turns colour into grey, 3 repeats grey."""
    from torchvision.transforms.v2 import functional as F  # here, as in ``fit_image``

    if image.shape[-3] == channels:
        return image
    return F.rgb_to_grayscale(image) if channels == 1 else image.expand(*image.shape[:-3], channels, -1, -1)


def fit_size(image: Tensor, height: int, width: int) -> Tensor:
    """A uint8 (..., C, H, W) image resized bilinearly with antialias to (..., C, height, width)."""
    from torchvision.transforms.v2 import functional as F  # as in fit_image

    return F.resize(image, [height, width], antialias=True)


def decode(split: Split) -> InMemory:
    """Reads every example of ``split`` once; tensors of one column must have one shape.

    Raises:
        ValueError: they have not; the message says which example differs.
    """
    if isinstance(split, Resized) and isinstance(split.split, InMemory) and not isinstance(split.split.columns, Scenes):
        columns, parts = split.split.columns, split.split.columns.images.split(1024)
        fitted = [fit_image(part, split.image_size, split.channels, split.crop) for part in parts]
        return InMemory(columns._replace(images=torch.cat(fitted)))
    first, count = split[0], len(split)
    # Each example goes into its place: a list of all, then stacked, would take twice the memory.
    columns = [column.new_empty(count, *column.shape) if isinstance(column, Tensor) else [] for column in first]
    for i in range(count):
        for column, value in zip(columns, first if i == 0 else split[i], strict=True):
            if isinstance(column, list):
                column.append(value)
            elif value.shape == column.shape[1:]:
                column[i] = value
            else:
                shapes = f"{tuple(value.shape)}, the first {tuple(column.shape[1:])}"
                raise ValueError(f"example {i} is {shapes}: give all one size")
    return InMemory(first._make(stack(column) if isinstance(column, list) else column for column in columns))
