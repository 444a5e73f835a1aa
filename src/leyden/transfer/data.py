"""Images for transfer: the classes of one source are shared out into a source task and a target task."""

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset

from leyden.core.seeding import mix
from leyden.core.splits import few_per_class
from leyden.core.text.shell import command
from leyden.data.columns import LabelledImages, device_of
from leyden.data.images import ImageDataModule
from leyden.data.loader import Loader
from leyden.data.source import ImageSource, Source
from leyden.data.source.files.image_folder import ImageFolder
from leyden.data.specs import ImageSpec
from leyden.data.splits import STAGES, InMemory, Split, Stage, labels_of, select
from leyden.transfer.augment import Shake, Views


class TransferImages(ImageDataModule):
    """Batches of the target task, of which few labels may be known, and all of the source task for pre-training.

    The validation and test splits hold every example of the target classes, so with few labels per class the
    validation split is larger than the training set: choosing the best checkpoint on it uses more labels than
    training does. All strategies have this same advantage, so they can be compared; the absolute accuracy is that of
    somebody who has such a validation set.

    Args:
        source: images with class labels.
        source_classes: the classes of the source task: the first so many, or a list of names; null means that there
            is no source task and that all classes are learnt.
        upstream: where the source task's images come from, if elsewhere; they are brought to the target's size and
            channels, and its classes are no target classes where both have classes of that name.
        labels_per_class: training examples per target class, drawn by ``seed``; null takes all.
        epoch_size: at least so many training examples per epoch: fewer labelled ones are repeated, each time augmented
            anew, and what does not divide evenly falls to those that come first; null takes each once.
        degrees: augmentation: greatest rotation to either side.
        zoom: greatest relative change of size.
        shift: greatest shift, as a fraction of the image's side.
        flip: half of the training images are mirrored; wrong for digits and letters.
        border: what comes in at the border: "zeros" (black) or "reflection".
        views: so many different augmentations of each image, taken in turn by the epochs; null: a new one in each
            epoch. With a number, what a frozen network makes of them can be computed once.
        source_splits: which of the source's splits the source task learns from, null: train. It may take all three,
            as nothing is validated or tested on its classes; do not test on these classes afterwards, then.
        image_size: side of the square images in pixels; null keeps the source's own.
        crop: null squeezes an image into the square; a number takes a square of that fraction of its shorter side
            from its centre, as ImageNet's networks are tested (224 / 256 = 0.875).
        batch_size: training examples per step and device.
        eval_batch_size: examples per validation or test batch.
        in_memory: "auto" decodes once into memory where there is room; true and false force it.
        workers: processes that decode where the data is not in memory.
        seed: of the labelled examples, the order and the augmentation.

    Raises:
        ValueError: an unknown source class, fewer than two target classes, or too few examples of a class.
    """

    least_classes: ClassVar[int] = 2

    def __init__(
        self,
        source: ImageSource,
        source_classes: int | list[str] | None = None,
        labels_per_class: int | None = None,
        epoch_size: int | None = None,
        degrees: float = 0,
        zoom: float = 0,
        shift: float = 0,
        source_splits: list[str] | None = None,
        upstream: ImageSource | None = None,
        flip: bool = False,
        border: Literal["zeros", "reflection"] = "zeros",
        views: int | None = None,
        crop: float | None = None,
        image_size: int | None = None,
        batch_size: int = 64,
        eval_batch_size: int = 256,
        in_memory: Literal["auto"] | bool = "auto",
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(source, image_size, batch_size, eval_batch_size, in_memory, workers, seed)
        self.source_classes = source_classes
        self.labels_per_class = labels_per_class
        self.epoch_size = epoch_size
        self.source_splits = source_splits or ["train"]
        if not set(self.source_splits) <= set(STAGES):
            raise ValueError(f"data.source_splits={source_splits}: choose among {', '.join(STAGES)}")
        if views is not None and views < 1:
            raise ValueError(f"data.views={views}: one or more, or null for a new augmentation in each epoch")
        if crop is not None and not 0 < crop <= 1:
            raise ValueError(f"data.crop={crop}: a fraction of the shorter side, in (0, 1], or null")
        self.upstream = upstream or source
        self.check(self.upstream)
        self.cached: dict[Stage, list[InMemory]] = {}
        self.views = views
        self.crop = crop
        self.shake = Shake(degrees, zoom, shift, flip, border)
        self.augment = self.shake if degrees or zoom or shift or flip else None

    @property
    def signature(self) -> list[object]:
        """Everything that decides which images a view of the training split shows."""
        changes = vars(self.shake) if self.augment is not None else None
        return [self.fingerprint, self.seed, self.epoch_size, self.labels_per_class, self.crop, changes]

    @property
    def source_names(self) -> list[str]:
        """The classes of the source task, in the order of its labels; empty if there is none."""
        names = list(self.upstream.class_names)
        if self.source_classes is None:
            return []
        if isinstance(self.source_classes, int):
            return names[: self.source_classes]
        unknown = [name for name in self.source_classes if name not in names]
        if unknown:
            raise ValueError(
                f"data.source_classes: {self.upstream.name} has no class {unknown[0]!r}, it has {names}: choose among "
                f"these{self._without_source_task()}"
            )
        return list(self.source_classes)

    @property
    def spec(self) -> ImageSpec:
        """What the model must know: the target classes are its classes."""
        target = [name for name in self.source.class_names if name not in self.source_names]
        if len(target) < 2:
            count = len(self.source.class_names)
            fewer = f"set data.source_classes={count - 2}" if count > 3 else "give a folder with four classes or more"
            raise ValueError(
                f"{len(target)} of the {count} classes of {self.source.name} are left for the target task, which needs "
                f"two, as data.source_classes={self.source_classes} of them are the source task's: "
                f"{fewer}{self._without_source_task()}"
            )
        return ImageSpec(class_names=target, channels=self.source.channels, image_size=self.image_size)

    def _without_source_task(self) -> str:
        """The end of an error: the command that learns all classes of the user's own folder, or the setting for it."""
        if not isinstance(self.source, ImageFolder):
            return ", or null and model.weights to what is inherited instead"
        run = command("run", "experiment=own_images", f'data.source.root="{self.source.root}"')
        return f"; or learn all of them on ImageNet's features: {run}"

    def prepare_data(self) -> None:
        """Downloads what the sources need; called on one process only."""
        super().prepare_data()
        self.upstream.prepare()
        self.upstream.log_tally()

    def examples(self, stage: Stage) -> Split:
        """The examples of the target classes; of the training split the few labelled ones, repeated."""
        if stage == "train":
            return self.labelled(self.labels_per_class, self.epoch_size)
        return select(*_of_classes(self.source, stage, self.spec["class_names"]))

    def labelled(self, count: int | None, epoch_size: int | None) -> Split:
        """Training examples of the target classes: ``count`` of each (None: all), repeated up to ``epoch_size``."""
        split, chosen, labels = _of_classes(self.source, "train", self.spec["class_names"])
        picked = few_per_class(labels, count, mix(self.seed, 2), self.spec["class_names"])
        if epoch_size is not None and epoch_size > len(picked):
            picked = picked.repeat(-(-epoch_size // len(picked)))[:epoch_size]
        return select(split, chosen[picked], labels[picked])

    def loader(self, stage: Stage) -> Loader:
        """Batches of a stage; of what a frozen network made of the images, where ``cache`` has been called."""
        loader = super().loader(stage)
        loader.views = self.views
        if not (self.overfits and stage == "train"):
            loader.cached = self.cached.get(stage, ())
        return loader

    def source_task(self, batch_size: int, views: int) -> Loader:
        """Shuffled, augmented batches of the source task's training examples, the same on every rank.

        Args:
            batch_size: examples per batch.
            views: so many classes are made of each, one for each view of the image: 1, 4 or 8.

        Raises:
            ValueError: there is no source task.
        """
        if not self.source_names:
            raise ValueError("there is no source task to pre-train on: set data.source_classes, or model.weights=null")
        parts = [
            select(*_of_classes(self.upstream, stage, self.source_names))
            for stage in STAGES
            if stage in self.source_splits
        ]
        split = self.prepared(parts[0] if len(parts) == 1 else ConcatDataset(parts))  # type: ignore[arg-type]
        return Loader(
            self.on_device(split),
            batch_size,
            train=True,
            seed=mix(self.seed, 3),
            augment=Views(views, self.shake),
            workers=self.workers,
            whole=True,
        )

    def once(self) -> Loader:
        """The training examples in order, neither shuffled nor augmented, the same on every rank."""
        plain = self.cached["train"][0] if self.cached and self.augment is None else self.split("train")
        return Loader(self.on_device(plain), self.eval_batch_size, workers=self.workers, whole=True)

    def cache(self, through: Callable[[Iterator[Tensor], int, str], Tensor]) -> None:
        """Replaces the images of training and validation by what a frozen network makes of them, computed once.

        Args:
            through: batches of uint8 images (B, C, S, S), in order, their number N, and a word for which they are, to
                the features (N, ...) of all.

        Raises:
            ValueError: each epoch augments anew, so there is nothing to compute once.
        """
        if self.augment is None:
            views: list[Tensor | None] = [None]
        elif self.views is not None:
            loader = self.loader("train")
            views = [loader.numbers(view) for view in range(self.views)]
        else:
            raise ValueError("each epoch augments anew: nothing can be computed once without data.views")
        labels = {stage: labels_of(self.examples(stage)) for stage in ("train", "val")}
        sizes = {stage: len(of_stage) for stage, of_stage in labels.items()}
        train = [through(self._in_order("train", u), sizes["train"], f"train {i}") for i, u in enumerate(views)]
        val = through(self._in_order("val", None), sizes["val"], "val")
        self.cached = {
            "train": [InMemory(LabelledImages(features, labels["train"])) for features in train],
            "val": [InMemory(LabelledImages(val, labels["val"]))],
        }
        if self._train_loader is not None:  # Lightning may have asked for it already, to count the steps
            self._train_loader.cached = self.cached["train"]

    def forget(self) -> None:
        """Batches come from images again."""
        self.cached = {}
        if self._train_loader is not None:
            self._train_loader.cached = ()

    def _in_order(self, stage: Stage, numbers: Tensor | None) -> Iterator[Tensor]:
        """The images (B, C, S, S) of a stage, augmented by ``numbers`` (N, draws) where there are any."""
        split, place = self.on_device(self.split(stage)), 0
        for batch in Loader(split, self.eval_batch_size, workers=self.workers, whole=True):
            count = len(batch.images)
            if numbers is not None and self.augment is not None:
                batch = self.augment(batch, numbers[place : place + count].to(device_of(batch)))
            place += count
            yield batch.images


def _of_classes(source: Source, stage: Stage, names: Sequence[str]) -> tuple[Split, Tensor, Tensor]:
    """A split, the indices (N,) of its examples of the classes ``names``, and their labels (N,) in that order."""
    split = source.split(stage)
    place = torch.full((len(source.class_names),), -1)
    place[[source.class_names.index(name) for name in names]] = torch.arange(len(names))
    labels = place[labels_of(split)]
    chosen = (labels >= 0).nonzero().flatten()
    return split, chosen, labels[chosen]
