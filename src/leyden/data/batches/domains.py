"""Two domains for domain adaptation: labelled source images beside target images whose labels no model sees."""

from collections.abc import Iterator
from typing import ClassVar, Literal, NamedTuple

import torch

from leyden.core.seeding import mix
from leyden.data.columns import Images, LabelledImages
from leyden.data.images import ImageDataModule
from leyden.data.loader import Loader
from leyden.data.paired_loader import PairedLoader
from leyden.data.source import ImageSource
from leyden.data.splits import Split, Stage, labels_of, select, unlabelled


class Domains(NamedTuple):
    """A training batch of two domains."""

    source: LabelledImages
    target: Images
    """As many images as of the source; their labels are not here."""


class DomainImages(ImageDataModule):
    """Training batches of two domains (``Domains``), validation on the source, test on the target.

    Training drops the labels of the target before anything else happens to it. Validation batches are
    ``LabelledImages`` of the source domain, so that the best checkpoint is chosen without a label of the target, as
    somebody without such labels has to do. Test batches are ``LabelledImages`` of the target's test split.

    An epoch is one pass over the source's training images; the target goes round at its own pace
    (``leyden.data.paired_loader.PairedLoader``).

    Args:
        source: the domain with labels.
        target: the domain without; brought to the size and the channels of the source. Its classes are found by their
            names among those of the source; it may lack some of them.
        image_size: side of the square images in pixels; null keeps the source's own.
        batch_size: images per step and device of each domain, so a step sees twice as many.
        eval_batch_size: images per validation or test batch.
        in_memory: "auto" decodes once into memory where there is room; true and false force it.
        workers: processes that decode where the data is not in memory, for each domain.
        seed: of the orders.

    Raises:
        ValueError: the target has a class that the source has not (from ``split`` and the loaders).
    """

    least_classes: ClassVar[int] = 2

    def __init__(
        self,
        source: ImageSource,
        target: ImageSource,
        image_size: int | None = None,
        batch_size: int = 64,
        eval_batch_size: int = 256,
        in_memory: Literal["auto"] | bool = "auto",
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(source, image_size, batch_size, eval_batch_size, in_memory, workers, seed)
        self.check(target)
        self.target = target
        self._target: Split | None = None

    def prepare_data(self) -> None:
        """Downloads what both sources need; called on one process only."""
        super().prepare_data()
        self.target.prepare()
        self.target.log_tally()

    def content(self, split: Split) -> Iterator[bytes]:
        """Bytes that tell these domains from others: the training images of both."""
        yield from super().content(split)
        yield from super().content(self.target_split())

    def examples(self, stage: Stage) -> Split:
        """Labelled images: the source's in training and validation, the target's in the test.

        Raises:
            ValueError: the target has a class that the source has not, or no classes at all.
        """
        if stage != "test":
            return self.source.split(stage)
        split, names = self.target.split(stage), list(self.source.class_names)
        unknown = [name for name in self.target.class_names if name not in names]
        if unknown:
            raise ValueError(
                f"the target {self.target.name} has a class {unknown[0]!r} that the source {self.source.name} has not: "
                f"it has {names}. Choose two that know the same classes, such as data/source@data.target=image_folder "
                "data.target.root=FOLDER"
            )
        place = torch.tensor([names.index(name) for name in self.target.class_names])
        labels = place[labels_of(split)]
        return select(split, torch.arange(len(split)), labels)

    def target_split(self) -> Split:
        """The target's training images, at the model's size and without labels."""
        if self._target is None:
            self._target = self.prepared(unlabelled(self.target.split("train")))
        return self._target

    def loader(self, stage: Stage) -> Loader | PairedLoader:
        """Batches of a stage, in training of both domains."""
        source = super().loader(stage)
        if stage != "train":
            return source
        target = Loader(
            self.on_device(self.target_split()),
            self.batch_size,
            train=source.train,
            seed=mix(self.seed, 4),
            workers=self.workers,
        )
        return PairedLoader(source, target, Domains)
