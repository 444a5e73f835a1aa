"""Images for self-taught learning: unlabelled ones of other classes, and a few labelled ones of those to be learnt."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor

from leyden.core.seeding import mix
from leyden.core.splits import few_per_class
from leyden.data.images import ImageDataModule
from leyden.data.source import ImageSource
from leyden.data.specs import ImageSpec
from leyden.data.splits import InMemory, Split, Stage, decode, labels_of, select, unlabelled


class SelfTaughtImages(ImageDataModule):
    """Few labelled images of some classes; the training images of others, or of another source, without labels.

    Unlike semi-supervised learning nothing says that the unlabelled images are of the classes to be learnt; where they
    are of the same source their classes are left out of the task.

    Args:
        source: labelled images.
        unlabelled: where the unlabelled images come from, if elsewhere; they are brought to the same size and channels.
        unlabelled_classes: whose images are taken: the last so many, or a list of names; null: all of ``unlabelled``.
        unlabelled_images: so many of these, drawn by the seed; null: all.
        labels_per_class: training examples per class, drawn by the seed; null: all.
        image_size: side of the square images in pixels; null: the source's own.
        batch_size: training examples per step; what is fitted at once does not use it.
        eval_batch_size: examples per validation or test batch.
        in_memory: "auto" decodes once into memory where there is room; true and false force it.
        workers: processes that decode where the data is not in memory.
        seed: of what is drawn.

    Raises:
        ValueError: nothing is unlabelled, a class that there is not, fewer than two classes are left, or too few
            examples of one.
    """

    least_classes: ClassVar[int] = 2

    def __init__(
        self,
        source: ImageSource,
        unlabelled: ImageSource | None = None,
        unlabelled_classes: int | list[str] | None = None,
        unlabelled_images: int | None = None,
        labels_per_class: int | None = None,
        image_size: int | None = None,
        batch_size: int = 64,
        eval_batch_size: int = 256,
        in_memory: Literal["auto"] | bool = "auto",
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(source, image_size, batch_size, eval_batch_size, in_memory, workers, seed)
        if unlabelled is None and unlabelled_classes is None:
            raise ValueError(
                "nothing is unlabelled: set data.unlabelled_classes=5 or a list of the source's classes, or another "
                "source, such as data/source@data.unlabelled=image_folder data.unlabelled.root=FOLDER"
            )
        self.elsewhere = unlabelled
        self.pool = unlabelled or source
        self.check(self.pool)
        self.unlabelled_classes, self.unlabelled_images = unlabelled_classes, unlabelled_images
        self.labels_per_class = labels_per_class

    def prepare_data(self) -> None:
        """Downloads what the sources need; called on one process only."""
        super().prepare_data()
        self.pool.prepare()
        self.pool.log_tally()

    @property
    def unlabelled_names(self) -> list[str]:
        """The classes of the unlabelled images; empty: whatever there is."""
        names = list(self.pool.class_names)
        if self.unlabelled_classes is None:
            return []
        if isinstance(self.unlabelled_classes, int):
            return names[-self.unlabelled_classes :]
        if unknown := [name for name in self.unlabelled_classes if name not in names]:
            raise ValueError(f"data.unlabelled_classes: {self.pool.name} has no class {unknown[0]!r}, it has {names}")
        return list(self.unlabelled_classes)

    @property
    def spec(self) -> ImageSpec:
        """What the model must know: the classes that are to be learnt."""
        left_out = [] if self.elsewhere is not None else self.unlabelled_names
        names = [name for name in self.source.class_names if name not in left_out]
        if len(names) < 2:
            raise ValueError(
                f"data.unlabelled_classes={self.unlabelled_classes} leaves {len(names)} of the "
                f"{len(self.source.class_names)} classes of {self.source.name} to be learnt, and a classifier needs "
                "two: take fewer, or unlabelled images from elsewhere (data/source@data.unlabelled=...)"
            )
        return ImageSpec(class_names=names, channels=self.source.channels, image_size=self.image_size)

    def content(self, split: Split) -> Iterator[bytes]:
        """Bytes that tell these data from others: the labelled images and the unlabelled ones."""
        yield from super().content(split)
        yield self.unlabelled().numpy().tobytes()

    def examples(self, stage: Stage) -> Split:
        """Labelled examples of the classes to be learnt; in training the few."""
        names = self.spec["class_names"]
        split, chosen, labels = _of_classes(self.source, stage, names)
        if stage == "train":
            picked = few_per_class(labels, self.labels_per_class, mix(self.seed, 2), names)
            chosen, labels = chosen[picked], labels[picked]
        return select(split, chosen, labels)

    def unlabelled(self) -> Tensor:
        """The unlabelled training images, uint8 (N, C, S, S)."""
        if self.unlabelled_classes is None:
            raw: Split = unlabelled(self.pool.split("train"))
        else:
            split, chosen, labels = _of_classes(self.pool, "train", self.unlabelled_names)
            raw = unlabelled(select(split, chosen, labels))
        fitted = self.prepared(raw)
        images: Tensor = (fitted if isinstance(fitted, InMemory) else decode(fitted)).columns.images
        if self.unlabelled_images is None:
            return images
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(mix(self.seed, 5)))
        return images[order[: self.unlabelled_images]]


def _of_classes(source: ImageSource, stage: Stage, names: Sequence[str]) -> tuple[Split, Tensor, Tensor]:
    """A split, the indices (N,) of its examples of the classes ``names``, and their labels (N,) in that order."""
    split, known = source.split(stage), list(source.class_names)
    place = torch.full((len(known),), -1)
    place[[known.index(name) for name in names]] = torch.arange(len(names))
    labels = place[labels_of(split)]
    chosen = (labels >= 0).nonzero().flatten()
    return split, chosen, labels[chosen]
