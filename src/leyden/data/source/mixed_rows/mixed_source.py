"""A table whose columns differ in kind, in three splits."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from leyden.core.splits import stratified
from leyden.data.columns import MixedRows
from leyden.data.issues import DataIssue
from leyden.data.source import Source
from leyden.data.specs import ColumnSpec
from leyden.data.splits import STAGES, InMemory, Split, Stage

FRACTIONS = (0.6, 0.1, 0.3)


class MixedSource(Source):
    """Rows of numbers, words and dates; a child calls ``set_table`` in ``prepare`` or before."""

    produces: ClassVar[str] = "mixed_rows"
    columns: list[ColumnSpec]
    """In the order of the file."""
    label: str | None = None
    """Name of the column with the classes."""
    issues: Sequence[DataIssue] = ()
    """What was found as the table was read."""

    def set_table(self, columns: Sequence[ColumnSpec], values: Tensor, label: str | None, seed: int = 0) -> None:
        """Keeps a table, divided 60 / 10 / 30 %, stratified by the label where there is one.

        Args:
            columns: C.
            values: (N, C) float64, see ``leyden.data.columns.MixedRows``.
            label: name of a column of words.
            seed: of the division.
        """
        self.columns, self.label = list(columns), label
        labels = self.labels_of(values) if label is not None else torch.zeros(len(values), dtype=torch.int64)
        parts = stratified(labels, FRACTIONS, seed)
        self._values: dict[Stage, Tensor] = {stage: values[part] for stage, part in zip(STAGES, parts, strict=True)}
        if label is not None:
            self.class_names = self.columns[self.label_column]["categories"]

    @property
    def label_column(self) -> int:
        """Number of the column with the classes."""
        return [column["name"] for column in self.columns].index(str(self.label))

    def labels_of(self, values: Tensor) -> Tensor:
        """Classes (N,) int64 of rows (N, C)."""
        return values[:, self.label_column].long()

    def thin(self, label: int, kept: int, seed: int) -> None:
        """Keeps so many training rows of a class, drawn by the seed; validation and test stay as they are.

        Raises:
            ValueError: there are not so many, or fewer than 1 are asked for.
        """
        rows = self._values["train"]
        members = (self.labels_of(rows) == label).nonzero().flatten()
        if not 1 <= kept <= len(members):
            raise ValueError(
                f"data.source.positives={kept}: {self.name} has {len(members)} training rows of "
                f"{self.class_names[label]!r}; ask for 1 to {len(members)}"
            )
        order = torch.randperm(len(members), generator=torch.Generator().manual_seed(seed))
        left = torch.ones(len(rows), dtype=torch.bool)
        left[members[order[kept:]]] = False
        self._values["train"] = rows[left]

    def split(self, stage: Stage) -> InMemory[MixedRows]:
        """Rows (N, C) float64."""
        self.prepare()
        return InMemory(MixedRows(self._values[stage]))

    def inspect(self) -> tuple[dict[Stage, Split], list[DataIssue]]:
        """All splits, and what was found as the table was read."""
        self.prepare()
        return {stage: self.split(stage) for stage in STAGES}, list(self.issues)
