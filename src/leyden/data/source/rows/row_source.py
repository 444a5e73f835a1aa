"""A domain of rows: what its three splits are, and what is refused at once."""

from collections.abc import Sequence
from copy import copy
from typing import ClassVar, Literal, Self, get_args

import torch
from torch import Tensor

from leyden.core.splits import stratified
from leyden.data.columns import LabelledRows
from leyden.data.source import Source
from leyden.data.splits import InMemory, Stage

Protocol = Literal["whole", "split"]
FRACTIONS = (0.6, 0.1, 0.3)


class RowSource(Source):
    """Rows of float32 features (N, D) with classes (N,); a child calls ``set_rows`` in ``prepare`` or before.

    Args:
        name: how log lines and errors call it.
        protocol: "whole" as the literature on domain adaptation has it: all rows of a source train, all rows of a
            target are adapted to without labels and are tested, and none validates; "split" divides them, stratified,
            60 / 10 / 30 %.

    Raises:
        ValueError: another protocol.
    """

    produces: ClassVar[str] = "rows"
    feature_names: Sequence[str]
    """One per column."""
    domain: str | None = None
    """The word that names the domain among others of the same files; None where there is one alone."""

    def __init__(self, name: str, protocol: Protocol) -> None:
        if protocol not in get_args(Protocol):
            raise ValueError(f"data.source.protocol={protocol!r}: there are {', '.join(get_args(Protocol))}")
        self.name, self.protocol = name, protocol
        self._splits: dict[Stage, LabelledRows] = {}

    def set_rows(
        self, rows: Tensor, labels: Tensor, class_names: Sequence[str], feature_names: Sequence[str] | None = None
    ) -> None:
        """Keeps the rows, divided as ``protocol`` says.

        Args:
            rows: (N, D) of any float type.
            labels: (N,) int64, places in ``class_names``.
            class_names: of all classes.
            feature_names: of the columns; None numbers them.

        Raises:
            ValueError: rows and labels differ in number, there are none, or a value is not finite.
        """
        check_rows(rows, labels, self.name)
        self._describe(class_names, feature_names or [f"feature {i}" for i in range(rows.shape[1])])
        everything = LabelledRows(rows.float(), labels)
        if self.protocol == "whole":
            self._splits = {"train": everything, "val": _taken(everything, torch.arange(0)), "test": everything}
        else:
            train, val, test = (_taken(everything, indices) for indices in stratified(labels, FRACTIONS))
            self._splits = {"train": train, "val": val, "test": test}

    def set_splits(
        self, splits: dict[Stage, LabelledRows], class_names: Sequence[str], feature_names: Sequence[str]
    ) -> None:
        """Keeps rows that come in splits of their own; the names as in ``set_rows``."""
        for columns in splits.values():
            check_rows(columns.rows, columns.labels, self.name)
        self._describe(class_names, feature_names)
        self._splits = splits

    def split(self, stage: Stage) -> InMemory[LabelledRows]:
        """Rows (N, D) float32 and labels (N,); of the protocol "whole" none validate, and all train and are tested."""
        if not self._splits:
            self.prepare()
        return InMemory(self._splits[stage])

    def of_domain(self, domain: str) -> Self:
        """The same source of another domain, not read yet.

        Raises:
            ValueError: it has no domains.
        """
        if self.domain is None:
            raise ValueError(
                f"{self.name} has no domains by word: set data.source.domain, or choose another data/source"
            )
        other = copy(self)
        other.domain = other.name = domain
        other._splits = {}
        return other

    def _describe(self, class_names: Sequence[str], feature_names: Sequence[str]) -> None:
        self.class_names, self.feature_names = list(class_names), list(feature_names)


def check_rows(rows: Tensor, labels: Tensor, name: str) -> None:
    """Refuses rows that nothing can be fitted to.

    Raises:
        ValueError: rows and labels differ in number, there are none, or a value is not finite; it says where.
    """
    if len(rows) != len(labels) or rows.ndim != 2 or rows.shape[1] == 0:
        raise ValueError(f"{name}: rows {tuple(rows.shape)} and {len(labels)} labels: give a row for each label")
    bad = (~rows.isfinite()).nonzero()
    if len(bad):
        row, column = bad[0].tolist()
        raise ValueError(
            f"{name}: row {row} has {float(rows[row, column])} in column {column}, and {len(bad) - 1} more values are "
            "not finite: fill them in or leave these rows out"
        )


def _taken(columns: LabelledRows, indices: Tensor) -> LabelledRows:
    return LabelledRows(columns.rows[indices], columns.labels[indices])
