"""A table with holes to be filled: what is known and shown, and what is known and held out for the test."""

import logging
from collections.abc import Iterator
from math import sqrt
from typing import Any, ClassVar, Literal, TypedDict, get_args

import torch
from torch import Tensor

from leyden.core.seeding import mix
from leyden.data.columns import IncompleteRows
from leyden.data.loader import Loader
from leyden.data.module import DataModule, hashed
from leyden.data.source import ImageSource, Source
from leyden.data.source.incomplete.table_source import Table, TableSource, one_against_the_rest
from leyden.data.source.rows.row_source import RowSource
from leyden.data.splits import STAGES, InMemory, Resized, Split, Stage, decode

Pattern = Literal["cells", "squares"]
NAN = float("nan")
log = logging.getLogger(__name__)


class IncompleteSpec(TypedDict):
    """What a model must know of a table with holes."""

    feature_names: list[str]
    """One per column of features."""
    label_names: list[str]
    """One per column of labels, which stand behind the features; there may be none."""
    channels: int | None
    """Of the images whose pixels the features are; None for other tables."""
    image_size: int | None
    """Their side in pixels."""


class IncompleteTable(DataModule):
    """One table, in which known cells are held out to be tested; the model sees the others.

    Any source serves: a table with empty cells; rows with classes, whose labels become a column for each class, one
    against the rest; images of one size, whose pixels in [0, 1] are the features and whose labels likewise. All splits
    of such a source are one table here, as cells are what is held out. Nothing validates: techniques hold out some of
    the cells that they see.

    Args:
        source: the table.
        observed: share of the known features that the model sees; the others are tested.
        labels_observed: share of the known labels that the model sees; null: as many as of the features.
        pattern: "cells": each feature by itself; "squares": a square of each image is missing.
        new_rows: share of the rows that the fit does not see; their holes are filled afterwards, out of sample.
        rows: so many rows are drawn by the seed; null: all.
        eval_batch_size: rows per test batch.
        seed: of what is drawn.

    Raises:
        ValueError: a share that leaves nothing to be seen or tested, or a source of something else.
    """

    consumes: ClassVar[str] = "incomplete_rows"

    def __init__(
        self,
        source: Source,
        observed: float = 0.5,
        labels_observed: float | None = None,
        pattern: Pattern = "cells",
        new_rows: float = 0.0,
        rows: int | None = None,
        eval_batch_size: int = 4096,
        seed: int = 0,
    ) -> None:
        super().__init__(source, 1, eval_batch_size, 0, seed)
        for name, share in (("observed", observed), ("labels_observed", labels_observed)):
            if share is not None and not 0 < share < 1:
                raise ValueError(
                    f"data.{name}={share}: the share of the known cells that the model sees is above 0 and below 1; "
                    "what it does not see is tested"
                )
        if not 0 <= new_rows < 1:
            raise ValueError(f"data.new_rows={new_rows}: a share of the rows, from 0 and below 1")
        if pattern not in get_args(Pattern):
            raise ValueError(f"data.pattern={pattern!r}: there are {', '.join(get_args(Pattern))}")
        if pattern == "squares" and not isinstance(source, ImageSource):
            raise ValueError(f"data.pattern=squares cuts holes into images, and {source.name} is a table: set cells")
        self.observed, self.labels_observed, self.pattern = observed, labels_observed or observed, pattern
        self.new_rows, self.rows = new_rows, rows
        self._table: Table | None = None
        self._shown: tuple[Tensor, Tensor] | None = None

    @classmethod
    def check(cls, source: Source) -> None:
        """Refuses what is neither table nor rows nor images.

        Raises:
            ValueError: it is something else.
        """
        if not isinstance(source, TableSource | RowSource | ImageSource) or source.produces == "boxes":
            raise ValueError(
                f"the source {source.name!r} produces {source.produces}; a table with holes is made of a table, such "
                "as data/source=csv_table, of rows or of images"
            )

    def prepare_data(self) -> None:
        """Reads the table and draws the holes."""
        self.source.prepare()
        self.source.log_tally()
        self._draw()

    @property
    def table(self) -> Table:
        """The whole table, of which ``rows`` were drawn; valid after ``prepare_data``."""
        if self._table is None:
            self._table = _taken(_table_of(self.source), self.rows, mix(self.seed, 1))
        return self._table

    @property
    def validates(self) -> bool:
        """No: techniques hold out cells of those that they see."""
        return False

    @property
    def spec(self) -> IncompleteSpec:
        """What the model must know; valid after ``prepare_data``."""
        images = isinstance(self.source, ImageSource)
        return IncompleteSpec(
            feature_names=self.table.feature_names,
            label_names=self.table.label_names,
            channels=self.source.channels if images else None,  # type: ignore[attr-defined]  # what image sources have
            image_size=self.source.image_size if images else None,  # type: ignore[attr-defined]
        )

    @property
    def fingerprint(self) -> str:
        """A short hash of what the model sees and of what is tested."""
        return hashed(part for stage in STAGES for part in self.content(self.examples(stage)))

    def content(self, split: Split) -> Iterator[bytes]:
        """Bytes of the rows and of what is held out of them."""
        assert isinstance(split, InMemory)
        for column in split.columns:
            yield column.numpy().tobytes()

    def examples(self, stage: Stage) -> InMemory[IncompleteRows]:
        """In training the rows of the fit; in the test these and the new ones, with what was held out of them."""
        shown, held = self._draw()
        count = len(shown) - round(self.new_rows * len(shown))
        places = torch.arange(len(shown))
        places[count:] = -1
        everything = IncompleteRows(shown, held, places)
        if stage == "test":
            return InMemory(everything)
        rows = InMemory(everything).take(torch.arange(count if stage == "train" else 0))
        return InMemory(rows._replace(targets=torch.full_like(rows.targets, NAN)))

    def loader(self, stage: Stage) -> Any:
        """Batches of a stage; of validation those of training, in order, as Lightning warns where there are none."""
        split = self.split("test" if stage == "test" else "train")
        return Loader(self.on_device(split), self.eval_batch_size, train=stage == "train", seed=self.seed)

    def _draw(self) -> tuple[Tensor, Tensor]:
        """What the model sees (N, D + T), and what is held out, each NaN elsewhere."""
        if self._shown is None:
            features, labels = self.table.features.float(), self.table.labels.float()
            if self.pattern == "squares":
                seen = _squares(self.source, len(features), self.observed, mix(self.seed, 2))  # type: ignore[arg-type]
            else:
                seen = _cells(features, self.observed, mix(self.seed, 2))
            whole = torch.cat([features, labels], 1)
            seen = torch.cat([seen, _cells(labels, self.labels_observed, mix(self.seed, 3))], 1)
            shown, held = whole.where(seen, NAN), whole.where(~seen, NAN)
            self._check(shown, held)
            self._shown = shown, held
        return self._shown

    def _check(self, shown: Tensor, held: Tensor) -> None:
        width = self.table.features.shape[1]
        if held[:, :width].isnan().all():
            raise ValueError(
                f"{self.source.name}: no feature is held out to be tested; lower data.observed={self.observed}"
            )
        seen = shown[: len(shown) - round(self.new_rows * len(shown))]
        blind = seen.isnan().all(0).nonzero().flatten()
        if len(blind):
            name = [*self.table.feature_names, *self.table.label_names][int(blind[0])]
            raise ValueError(
                f"{self.source.name}: of the column {name!r} no value is left that the model sees: raise "
                f"data.observed={self.observed:g} or data.labels_observed={self.labels_observed:g}, or give more rows"
            )
        empty = int(seen[:, :width].isnan().all(1).sum())
        if empty:
            log.info("%s: %d rows show no feature; they are filled by their columns alone", self.source.name, empty)


def _table_of(source: Source) -> Table:
    """Any source as one table, its splits together."""
    if isinstance(source, TableSource):
        return source.table()
    parts: list[Any] = [source.split(stage) for stage in STAGES]
    parts = [part for part in parts if len(part)]
    if isinstance(source, RowSource) and source.protocol == "whole":
        parts = parts[:1]  # the same rows are tested
    if isinstance(source, ImageSource):
        fitted = [
            part if isinstance(part, InMemory) else Resized(part, source.image_size, source.channels) for part in parts
        ]
        columns = [decode(part).columns if not isinstance(part, InMemory) else part.columns for part in fitted]
        features = torch.cat([part.images.flatten(1) for part in columns]).double() / 255
        names = [f"pixel {i}" for i in range(features.shape[1])]
        kind = "image"
    else:
        columns = [part.columns for part in parts]
        features = torch.cat([part.rows for part in columns]).double()
        names, kind = list(source.feature_names), "row"  # type: ignore[attr-defined]  # what row sources have
    labelled = "labels" in columns[0]._fields
    classes = torch.cat([part.labels for part in columns]) if labelled else torch.zeros(len(features))
    labels, label_names = one_against_the_rest(classes, source.class_names if labelled else [])
    return Table(features, labels, names, label_names, [f"{kind} {i}" for i in range(len(features))])


def _taken(table: Table, count: int | None, seed: int) -> Table:
    """``count`` rows of a table in an order drawn by the seed, so that new rows, the last ones, are of all kinds."""
    order = torch.randperm(len(table.features), generator=torch.Generator().manual_seed(seed))[:count]
    names = [table.row_names[i] for i in order.tolist()]
    return table._replace(features=table.features[order], labels=table.labels[order], row_names=names)


def _cells(values: Tensor, share: float, seed: int) -> Tensor:
    """Which cells (N, D) are seen: exactly that share of the known ones."""
    known = values.isnan().logical_not().flatten().nonzero().flatten()
    order = torch.randperm(len(known), generator=torch.Generator().manual_seed(seed))
    seen = torch.zeros(values.numel(), dtype=torch.bool)
    seen[known[order[: round(share * len(known))]]] = True
    return seen.view(values.shape)


def _squares(source: ImageSource, count: int, share: float, seed: int) -> Tensor:
    """Which pixels (N, C S S) are seen: all but a square somewhere in each image."""
    side = source.image_size
    hole = min(side, max(1, round(side * sqrt(1 - share))))
    generator = torch.Generator().manual_seed(seed)
    top, left = (torch.randint(side - hole + 1, (count, 1), generator=generator) for _ in range(2))
    places = torch.arange(side)
    rows, columns = ((places >= start) & (places < start + hole) for start in (top, left))
    missing = rows[:, :, None] & columns[:, None, :]
    return ~missing[:, None].expand(-1, source.channels, -1, -1).flatten(1)
