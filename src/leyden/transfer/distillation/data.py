"""Images for distillation: a few with labels, all of them without, and the task that a teacher is trained on."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from leyden.core.seeding import mix
from leyden.data.columns import Images, LabelledImages
from leyden.data.loader import Loader
from leyden.data.paired_loader import PairedLoader
from leyden.data.source import ImageSource
from leyden.data.splits import InMemory, Split, Stage, unlabelled
from leyden.transfer.augment import Views
from leyden.transfer.data import TransferImages


class Lesson(NamedTuple):
    """A training batch: images with labels, then images without."""

    images: Tensor
    """(B, C, S, S) uint8."""
    labels: Tensor
    """(L,) int64 classes of the first L <= B images; the others have none."""
    signals: Tensor
    """(B, D) float32: what the teacher says of each image, where that was computed once; else D = 0."""


class ToldImages(NamedTuple):
    """Images with what the teacher says of each."""

    images: Tensor
    signals: Tensor


class ToldLabelledImages(NamedTuple):
    """Labelled images with what the teacher says of each."""

    images: Tensor
    labels: Tensor
    signals: Tensor


class DistillationImages(TransferImages):
    """Training batches (``Lesson``) of a few labelled images and of unlabelled ones, which a teacher labels softly.

    Unlabelled are all training images, the labelled ones included. An epoch is one pass over the labelled ones; the
    unlabelled go round at their own pace (``leyden.data.paired_loader.PairedLoader``). Both are augmented alike.

    Args:
        source: images with class labels.
        labels_per_class: labelled training examples per class, drawn by ``seed``; null takes all.
        epoch_size: at least so many labelled examples per epoch: fewer are repeated; null takes each once.
        unlabelled: so many images without labels per step and device, beside ``batch_size`` with labels; 0: none.
        teacher_labels_per_class: what a teacher learns from that is trained in the same run; null: all labels.
        degrees: augmentation: greatest rotation to either side.
        zoom: greatest relative change of size.
        shift: greatest shift, as a fraction of the image's side.
        flip: half of the training images are mirrored; wrong for digits and letters.
        border: what comes in at the border: "zeros" (black) or "reflection".
        image_size: side of the square images in pixels; null keeps the source's own.
        crop: null squeezes an image into the square; a number takes a square of that fraction of its shorter side.
        batch_size: labelled training examples per step and device.
        eval_batch_size: examples per validation or test batch.
        in_memory: "auto" decodes once into memory where there is room; true and false force it.
        workers: processes that decode where the data is not in memory.
        seed: of the labelled examples, the orders and the augmentation.

    Raises:
        ValueError: a negative number of images, or too few examples of a class.
    """

    def __init__(
        self,
        source: ImageSource,
        labels_per_class: int | None = None,
        epoch_size: int | None = None,
        unlabelled: int = 64,
        teacher_labels_per_class: int | None = None,
        degrees: float = 0,
        zoom: float = 0,
        shift: float = 0,
        flip: bool = False,
        border: Literal["zeros", "reflection"] = "zeros",
        image_size: int | None = None,
        crop: float | None = None,
        batch_size: int = 64,
        eval_batch_size: int = 256,
        in_memory: Literal["auto"] | bool = "auto",
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(
            source, None, labels_per_class, epoch_size, degrees, zoom, shift, flip=flip, border=border, crop=crop,
            image_size=image_size, batch_size=batch_size, eval_batch_size=eval_batch_size, in_memory=in_memory,
            workers=workers, seed=seed,
        )  # fmt: skip
        if unlabelled < 0:
            raise ValueError(f"data.unlabelled={unlabelled}: images per step, 0 or more")
        self.unlabelled = unlabelled
        self.teacher_labels_per_class = teacher_labels_per_class
        self._every_image: Split | None = None
        self._told: tuple[InMemory, InMemory | None] | None = None

    def every_image(self) -> Split:
        """All training images at the model's size, without labels."""
        if self._every_image is None:
            self._every_image = self.prepared(unlabelled(self.labelled(None, None)))
        return self._every_image

    def teacher_task(self, batch_size: int) -> Loader:
        """Shuffled, augmented batches of the labelled images that a teacher is trained on, the same on every rank.

        Args:
            batch_size: examples per batch.
        """
        split = self.prepared(self.labelled(self.teacher_labels_per_class, None))
        augment, seed = Views(1, self.shake), mix(self.seed, 5)
        return Loader(
            self.on_device(split), batch_size, train=True, seed=seed, augment=augment, workers=self.workers, whole=True
        )

    @property
    def repeats(self) -> bool:
        """Whether the same images come again and again, in memory: what a teacher says of them can be computed once."""
        return self.augment is None and isinstance(self.split("train"), InMemory)

    def tell(self, teacher: Callable[[Tensor], Tensor]) -> None:
        """Puts what a teacher says of each training image beside it, computed once.

        Args:
            teacher: uint8 images (B, C, S, S) to signals (B, D), float32.

        Raises:
            ValueError: each epoch augments anew, or images are not in memory.
        """
        if not self.repeats:
            raise ValueError("images that are augmented or decoded anew have no signals that could be computed once")
        labelled = self.split("train").columns  # type: ignore[attr-defined]
        told = ToldLabelledImages(labelled.images, labelled.labels, self._signals(teacher, labelled.images))
        pool = self.every_image().columns.images if self.unlabelled else None  # type: ignore[attr-defined]
        others = None if pool is None else InMemory(ToldImages(pool, self._signals(teacher, pool)))
        self._told = InMemory(told), others
        if self._train_loader is not None:  # Lightning may have asked for it already, to count the steps
            self._put(self._train_loader)

    def forget(self) -> None:
        """Training batches are without signals again."""
        self._told = None

    def loader(self, stage: Stage) -> Loader | PairedLoader:  # type: ignore[override]
        """Batches of a stage; in training ``Lesson``."""
        first = super().loader(stage)
        if stage != "train":
            return first
        # Without unlabelled images the second loader hands out one of them per step, and ``_lesson`` leaves it out.
        second = Loader(
            self.on_device(self.every_image() if self.unlabelled else self.split("train")),
            max(1, self.unlabelled),
            train=first.train,
            seed=mix(self.seed, 6),
            augment=self.augment,
            workers=self.workers,
        )
        pair = PairedLoader(first, second, self._lesson)
        self._put(pair)
        return pair

    def _put(self, pair: PairedLoader) -> None:
        if self._told is not None:
            first, second = self._told
            pair.first.cached = [self.on_device(first)]
            pair.second.cached = [self.on_device(second)] if second is not None else ()

    def _lesson(self, labelled: LabelledImages | ToldLabelledImages, others: Images | ToldImages) -> Lesson:
        images = torch.cat([labelled.images, others.images[: self.unlabelled]])
        if isinstance(labelled, ToldLabelledImages) and isinstance(others, ToldImages):
            return Lesson(images, labelled.labels, torch.cat([labelled.signals, others.signals]))
        if isinstance(labelled, ToldLabelledImages):
            return Lesson(images, labelled.labels, labelled.signals)
        return Lesson(images, labelled.labels, images.new_empty(len(images), 0, dtype=torch.float32))

    def _signals(self, teacher: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        return torch.cat([teacher(part).float().cpu() for part in images.split(self.eval_batch_size)])
