"""Two domains for domain adaptation: labelled source images beside target images whose labels no model sees."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from leyden.core.seeding import mix
from leyden.data.batches.domain_pair import Pair, few_of_each
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
    somebody without such labels has to do. Test batches are ``LabelledImages`` of the target's test split, or
    ``Images`` where the target has no labels at all, such as a folder without class folders.

    An epoch is one pass over the source's training images; the target goes round at its own pace
    (``leyden.data.paired_loader.PairedLoader``).

    Args:
        source: the domain with labels.
        target: the domain without; brought to the size and the channels of the source. Its classes are found by their
            names among those of the source; it may lack some of them.
        image_size: side of the square images in pixels; null keeps the source's own.
        channels: 1 turns both domains grey, 3 repeats grey to colour; null keeps the source's own.
        batch_size: images per step and device of each domain, so a step sees twice as many.
        eval_batch_size: images per validation or test batch.
        in_memory: "auto" decodes once into memory where there is room; true and false force it.
        workers: processes that decode where the data is not in memory, for each domain.
        seed: of the orders.
        target_labels: so many training images of the target per class are labelled, drawn by the seed, for techniques
            that need a few; the others stay without.

    Raises:
        ValueError: ``channels`` is neither 1 nor 3; the target has a class that the source has not (from ``setup``).
    """

    least_classes: ClassVar[int] = 2

    def __init__(
        self,
        source: ImageSource,
        target: ImageSource,
        image_size: int | None = None,
        channels: int | None = None,
        batch_size: int = 64,
        eval_batch_size: int = 256,
        in_memory: Literal["auto"] | bool = "auto",
        workers: int = 0,
        seed: int = 0,
        target_labels: int = 0,
    ) -> None:
        super().__init__(source, image_size, batch_size, eval_batch_size, in_memory, workers, seed)
        self.check(target)
        if channels not in (None, 1, 3):
            raise ValueError(f"data.channels={channels}: should be 1 (grey), 3 (colour) or null, the source's own")
        self.target_labels = target_labels
        self.target = target
        self._channels = channels
        self._unlabelled: dict[Stage, Split] = {}
        self._source_test: Split | None = None

    def prepare_data(self) -> None:
        """Downloads what both sources need; called on one process only."""
        super().prepare_data()
        self.target.prepare()
        self.target.log_tally()

    def setup(self, stage: str) -> None:
        """Refuses, before a training, domains whose classes do not fit: the test behind it would.

        Raises:
            ValueError: they have no class in common, or the target has one that the source has not; or the source
                validates on what it tests.
        """
        super().setup(stage)
        self._places()

    @property
    def channels(self) -> int:
        """Of the images of both domains as the model gets them."""
        return self._channels or self.source.channels

    def content(self, split: Split) -> Iterator[bytes]:
        """Bytes that tell these domains from others: the training images of both."""
        yield from super().content(split)
        yield from super().content(self.target_split())

    def examples(self, stage: Stage) -> Split:
        """Labelled images: the source's in training and validation, the target's in the test, where it has labels.

        Raises:
            ValueError: the target has a class that the source has not.
        """
        if stage != "test":
            return self.source.split(stage)
        split = self.target.split(stage)
        if not self.target.class_names:
            return unlabelled(split)
        labels = self._places()[labels_of(split)]
        return select(split, torch.arange(len(split)), labels)

    def _places(self) -> Tensor:
        """Where the target's classes, in its own order, stand among those of the source."""
        names = list(self.source.class_names)
        unknown = [name for name in self.target.class_names if name not in names]
        if unknown:
            nothing = len(unknown) == len(self.target.class_names)
            what = (
                f"no class of the source {self.source.name}"
                if nothing
                else f"a class {unknown[0]!r} that the source {self.source.name} has not"
            )
            raise ValueError(
                f"the target {self.target.name} has {what}: its own are {_few(self.target.class_names)}, the source's "
                f"{_few(names)}; domains share their classes, by name: choose two that do, such as "
                "data/source@data.target=image_folder data.target.root=FOLDER"
            )
        return torch.tensor([names.index(name) for name in self.target.class_names], dtype=torch.long)

    def target_split(self, stage: Stage = "train") -> Split:
        """The target's images of a stage, at the model's size and without labels."""
        if stage not in self._unlabelled:
            self._unlabelled[stage] = self.prepared(unlabelled(self.target.split(stage)))
        return self._unlabelled[stage]

    def source_test(self) -> Split:
        """The source's test images with labels, at the model's size: what is forgotten for the target's sake."""
        if self._source_test is None:
            self._source_test = self.prepared(self.source.split("test"))
        return self._source_test

    @property
    def validates(self) -> bool:
        """Whether there are images to validate on; of images there are."""
        return True

    def pairs(self) -> list[Pair]:
        """The task, for techniques that are fitted at once: the training images of both domains."""
        few = None
        if self.target_labels:
            if not self.target.class_names:
                raise ValueError(
                    f"data.target_labels={self.target_labels}: the target {self.target.name} has no labels; put its "
                    "images into folders named after their classes, or choose a model that needs none"
                )
            labels = self._places()[labels_of(self.target.split("train"))]
            chosen = few_of_each(labels, self.target_labels, mix(self.seed, 7))
            few = self.prepared(select(self.target.split("train"), chosen, labels[chosen]))
        return [Pair(f"{self.source.name}_to_{self.target.name}", self.split("train"), self.target_split(), few)]

    def test_splits(self) -> list[Split]:
        """The test images of the target, with its labels where it has them."""
        return [self.split("test")]

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


def _few(names: Sequence[str]) -> str:
    """Names of classes in a message; of many only the first."""
    return ", ".join(map(str, names[:10])) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
