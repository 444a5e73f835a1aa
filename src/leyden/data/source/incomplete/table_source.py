"""A table with empty cells: features, and labels of which each is one of two values."""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from leyden.data.columns import Rows
from leyden.data.source import Source
from leyden.data.splits import InMemory, Stage


class Table(NamedTuple):
    """A table as a whole, before cells are held out."""

    features: Tensor
    """(N, D) float64, NaN where a cell is empty."""
    labels: Tensor
    """(N, T) float64 of -1 and 1, NaN where a label is unknown; T may be 0."""
    feature_names: list[str]
    label_names: list[str]
    row_names: list[str]
    """How messages call the rows."""


class TableSource(Source):
    """Base: a child makes its ``Table``.

    It has no splits: what is held out to be tested are cells, drawn by ``data=transfer/incomplete_table``.
    """

    produces: ClassVar[str] = "incomplete_rows"

    def table(self) -> Table:
        """The whole table, checked; the same one each time."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its table is")

    def prepare(self) -> None:
        """Makes or reads the table."""
        self.table()

    def split(self, stage: Stage) -> InMemory[Rows]:
        """All features (N, D) float32 as training rows; none validate or are tested."""
        rows = self.table().features.float()
        return InMemory(Rows(rows if stage == "train" else rows[:0]))


def check_table(table: Table, name: str) -> None:
    """Refuses a table that nothing can be fitted to.

    Raises:
        ValueError: fewer than two rows or columns, an infinite value, a column without any value, or a label column
            that has one value alone; the message names the place.
    """
    count, width = table.features.shape
    if count < 2 or width < 2:
        raise ValueError(f"{name}: {count} rows and {width} columns of numbers; give two of each or more")
    for values, names in ((table.features, table.feature_names), (table.labels, table.label_names)):
        if len(bad := values.isinf().nonzero()):
            row, column = bad[0].tolist()
            raise ValueError(
                f"{name}, {table.row_names[row]}: {names[column]!r} is infinite: leave the cell empty or mend it"
            )
        if len(none := values.isnan().all(0).nonzero().flatten()):
            raise ValueError(
                f"{name}: the column {names[int(none[0])]!r} has no value in any row, so nothing says what belongs "
                "there: leave it out"
            )
    for column, label in enumerate(table.label_names):
        if len(table.labels[:, column].nan_to_num(0).unique().nonzero()) < 2:
            raise ValueError(
                f"{name}: all known labels of {label!r} are alike: there is nothing to be learnt; leave it out"
            )


def one_against_the_rest(labels: Tensor, class_names: Sequence[str]) -> tuple[Tensor, list[str]]:
    """Classes (N,) as labels (N, T) of -1 and 1: a column for each class, of two classes one for the second."""
    names = list(class_names)
    if len(names) < 2:
        return torch.zeros(len(labels), 0, dtype=torch.float64), []
    first = 1 if len(names) == 2 else 0
    places = torch.arange(first, len(names))
    return (labels[:, None] == places).double() * 2 - 1, names[first:]
