"""Zero-shot learning: classes with examples, classes of which only attributes are known, and those that choose between.

The classes of a source fall into three groups: those that are trained on, those that validate, which no training sees,
so that hyperparameters and checkpoints are chosen on classes as new as the test's will be, and the unseen ones, which
the test alone has.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple, TypedDict

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset

from leyden.core.seeding import mix
from leyden.core.splits import stratified
from leyden.data.columns import LabelledRows
from leyden.data.images import ImageDataModule
from leyden.data.module import DataModule
from leyden.data.source import ImageSource, Source
from leyden.data.source.attributes.choice import Wanted, chosen_classes, drawn
from leyden.data.source.attributes.files import read_attributes
from leyden.data.source.attributes.table import Attributes, HasAttributes
from leyden.data.source.rows.row_source import RowSource
from leyden.data.splits import STAGES, InMemory, Split, Stage, Subset, labels_of

LEAST = 2
"""Classes of a group: among fewer there is nothing to choose."""
UNSEEN, VALIDATING = 12, 11
"""Tell the draws of the two groups apart: each has its own."""
VALIDATED = 0.2
"""Of the seen classes, where nobody says which ones validate."""
HELD_BACK = 0.1
"""Of the training examples of the classes that are trained on, where the source validates on none of these classes."""


class Division(NamedTuple):
    """Which classes are whose: places in ``class_names``, each in one group."""

    train: list[int]
    val: list[int]
    test: list[int]


class ZeroShotSpec(TypedDict):
    """What every technique of zero-shot learning must know."""

    class_names: list[str]
    """Of all classes, seen or not."""
    attribute_names: list[str]
    """One for each number that describes a class."""


class ZeroShotImageSpec(ZeroShotSpec):
    """What it must know of images."""

    channels: int
    image_size: int


class ZeroShotRowSpec(ZeroShotSpec):
    """What it must know of rows, features of somebody else's network."""

    feature_names: list[str]


class ByAttributes(DataModule):
    """Examples of classes that are known by their attributes; a child says whether they are images or rows.

    Labels are places in ``class_names`` of the source in all stages.

    - training: the training examples of the classes that are trained on;
    - validation: the validation examples of these classes (or a tenth of their training examples, which is not trained
      on then, where the source has none) and of the classes that validate;
    - test: the test examples of these two groups and of the unseen classes.

    A class that validates, or an unseen one, without examples in the source's split of that name brings its others. No
    example leaves its split otherwise: what the training examples of a source share, such as who wrote them, would make
    new classes look easier to learn than they are, and the calibration would be wrong.
    """

    attributes_from: str | None
    unseen: Wanted
    val_classes: Wanted
    _labels: dict[Stage, Tensor] | None = None

    @property
    def attributes(self) -> Attributes:
        """A row for each class of the source; valid after ``prepare_data``.

        Raises:
            ValueError: a class has none, or neither the source nor a file knows any.
        """
        names = list(self.source.class_names)
        if self.attributes_from is not None:
            return read_attributes(Path(self.attributes_from)).of(names)
        if not isinstance(self.source, HasAttributes):
            raise ValueError(
                f"{self.source.name} knows no attributes of its classes: set data.attributes to a CSV file (class, "
                "then a number for each attribute) or to a folder of AwA's or CUB's, or choose "
                "data/source=coloured_digits"
            )
        return self.source.attributes.of(names)

    @property
    def division(self) -> Division:
        """The three groups of classes; valid after ``prepare_data``.

        Raises:
            ValueError: there is no such class, a class in two groups, or a group with fewer than two.
        """
        names, labels = list(self.source.class_names), self._source_labels()
        present = {stage: set(labels[stage].tolist()) for stage in STAGES}
        own = present["test"] - present["train"] - present["val"]
        everyone = list(range(len(names)))
        test = chosen_classes(self.unseen, "unseen", names, everyone, sorted(own), mix(self.seed, UNSEEN))
        rest = [place for place in sorted(present["train"] | present["val"]) if place not in test]
        alone = sorted(set(rest) - present["train"])
        if self.val_classes is None and not alone:
            alone = drawn(rest, max(LEAST, round(VALIDATED * len(rest))), mix(self.seed, VALIDATING))
        of_rest = [names[place] for place in rest]
        val = chosen_classes(self.val_classes, "val_classes", of_rest, rest, alone, mix(self.seed, VALIDATING))
        train = [place for place in rest if place not in val]
        for key, found in (("unseen", test), ("val_classes", val), (None, train)):
            if len(found) < LEAST:
                what = f"data.{key} leaves" if key else "data.unseen and data.val_classes leave"
                raise ValueError(
                    f"{self.source.name}: {what} {len(found)} of {len(names)} classes "
                    f"{'to ' + ('the test' if key == 'unseen' else 'validation') if key else 'for training'}, and it "
                    "takes two or more: "
                    + ("name classes whose examples only the test sees" if key == "unseen" else "name others, or fewer")
                )
        return Division(train, val, test)

    def trained_and_validated(self) -> Split:
        """All examples that are no test's, for a last fit to both groups of seen classes once everything is chosen."""
        division = self.division
        seen = [*division.train, *division.val]
        return self.prepared(self._chosen([("train", seen), ("val", seen)]))

    def examples(self, stage: Stage) -> Split:
        """The examples of a stage, see above."""
        groups = self.division
        trained = self._of("train", groups.train)
        validated = self._of("val", groups.train)
        kept, back = trained, validated
        if not len(validated):
            parts = stratified(self._source_labels()["train"][trained], (1 - HELD_BACK, HELD_BACK), self.seed)
            kept, back = (trained[part] for part in parts)
        if stage == "train":
            return self._joined([("train", kept)])
        if stage == "val":
            known: tuple[Stage, Tensor] = ("val", validated) if len(validated) else ("train", back)
            return self._joined([known, *self._of_new("val", groups.val)])
        seen = self._of("test", [*groups.train, *groups.val])
        return self._joined([("test", seen), *self._of_new("test", groups.test)])

    def _chosen(self, wanted: Sequence[tuple[Stage, list[int]]]) -> Split:
        return self._joined([(part, self._of(part, places)) for part, places in wanted])

    def _of(self, part: Stage, places: Sequence[int]) -> Tensor:
        """Which examples of a split of the source are of some classes, (N,)."""
        return torch.isin(self._source_labels()[part], torch.tensor(places, dtype=torch.int64)).nonzero().flatten()

    def _of_new(self, part: Stage, places: Sequence[int]) -> list[tuple[Stage, Tensor]]:
        """The examples of classes that training does not see: those of a split, of classes without any all others."""
        absent = sorted(set(places) - set(self._source_labels()[part].tolist()))
        own: list[tuple[Stage, Tensor]] = [(part, self._of(part, places))]
        return own + [(other, self._of(other, absent)) for other in STAGES[:2] if other != part]

    def _joined(self, parts: Sequence[tuple[Stage, Tensor]]) -> Split:
        """Examples of several splits of the source as one, in memory if all are."""
        splits = [(self.source.split(part), indices) for part, indices in parts if len(indices)]
        if all(isinstance(split, InMemory) for split, _ in splits) and splits:
            taken = [split.take(indices) for split, indices in splits if isinstance(split, InMemory)]
            return InMemory(type(taken[0])(*(torch.cat(columns) for columns in zip(*taken, strict=True))))
        starts = torch.tensor([0, *(len(split) for split, _ in splits)]).cumsum(0).tolist()
        chosen = torch.cat([indices + start for (_, indices), start in zip(splits, starts, strict=False)])
        labels = torch.cat([labels_of(split)[indices] for split, indices in splits])
        return Subset(ConcatDataset([split for split, _ in splits]), chosen, labels)  # type: ignore[misc]

    def _source_labels(self) -> dict[Stage, Tensor]:
        if self._labels is None:
            self._labels = {stage: labels_of(self.source.split(stage)).cpu() for stage in STAGES}
        return self._labels


class AttributeImages(ByAttributes, ImageDataModule):
    """Images of classes with attributes.

    Args:
        source: images with classes.
        attributes: a CSV file, a folder of AwA's or CUB's, or ``att_splits.mat``, see ``read_attributes``; null: the
            source's own.
        unseen: the classes that only the test sees: names, so many drawn by the seed, or a file with a name per line;
            null: those of which the source has test examples alone.
        val_classes: the classes that validate, likewise, of the rest; null: those of which the source has no training
            examples, or a fifth, drawn by the seed.
        image_size: side of the square images in pixels; null keeps the source's own.
        batch_size: training images per step and device.
        eval_batch_size: images per validation or test batch.
        in_memory: "auto" decodes once into memory where there is room; true and false force it.
        workers: processes that decode what is not in memory.
        seed: of the classes that validate and the order of training batches.

    Raises:
        ValueError: from ``prepare_data`` on: no attributes, no such class, or too few classes of a kind.
    """

    least_classes: ClassVar[int] = 3 * LEAST

    def __init__(
        self,
        source: ImageSource,
        attributes: str | None = None,
        unseen: int | list[str] | str | None = None,
        val_classes: int | list[str] | str | None = None,
        image_size: int | None = None,
        batch_size: int = 64,
        eval_batch_size: int = 256,
        in_memory: Literal["auto"] | bool = "auto",
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(source, image_size, batch_size, eval_batch_size, in_memory, workers, seed)
        self.attributes_from, self.unseen, self.val_classes = attributes, unseen, val_classes

    def prepare_data(self) -> None:
        """Finds the images, and refuses at once what nothing can be learnt from."""
        super().prepare_data()
        _check(self)

    @property
    def spec(self) -> ZeroShotImageSpec:  # more than images alone
        """What the model must know; valid after ``prepare_data``."""
        return ZeroShotImageSpec(**super().spec, attribute_names=self.attributes.names)


class AttributeRows(ByAttributes):
    """Rows of classes with attributes: features that another network computed.

    Args:
        source: rows with classes.
        attributes: see ``AttributeImages``, as are ``unseen`` and ``val_classes``.
        unseen: the classes that only the test sees.
        val_classes: the classes that validate.
        batch_size: training rows per step and device; what is fitted at once does not use it.
        eval_batch_size: rows per validation or test batch.
        seed: of the classes that validate and the order of training batches.

    Raises:
        ValueError: from ``prepare_data`` on: no attributes, no such class, or too few classes of a kind.
    """

    consumes: ClassVar[str] = "rows"
    source: RowSource

    def __init__(
        self,
        source: RowSource,
        attributes: str | None = None,
        unseen: int | list[str] | str | None = None,
        val_classes: int | list[str] | str | None = None,
        batch_size: int = 64,
        eval_batch_size: int = 1024,
        seed: int = 0,
    ) -> None:
        super().__init__(source, batch_size, eval_batch_size, 0, seed)
        self.attributes_from, self.unseen, self.val_classes = attributes, unseen, val_classes

    def prepare_data(self) -> None:
        """Reads the rows, and refuses at once what nothing can be learnt from."""
        super().prepare_data()
        _check(self)

    @property
    def spec(self) -> ZeroShotRowSpec:
        """What the model must know; valid after ``prepare_data``."""
        return ZeroShotRowSpec(
            class_names=list(self.source.class_names),
            attribute_names=self.attributes.names,
            feature_names=list(self.source.feature_names),
        )

    def content(self, split: Split) -> Iterator[bytes]:
        """Bytes of the rows and their labels."""
        assert isinstance(split, InMemory)
        assert isinstance(split.columns, LabelledRows)
        for column in split.columns:
            yield column.numpy().tobytes()


def _check(data: ByAttributes) -> None:
    """Raises ValueError where there are no attributes or too few classes of a kind."""
    source: Source = data.source
    if not source.class_names:
        raise ValueError(f"{source.name} has no classes: choose a data/source whose examples have them")
    assert len(data.attributes.values) == len(source.class_names)
    assert data.division
