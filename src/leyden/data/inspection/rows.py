"""A look at every column of a table whose columns differ in kind, and the issues that its source found."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from leyden.data.issues import DataIssue
from leyden.data.source.mixed_rows.mixed_source import MixedSource
from leyden.data.specs import NUMBERS
from leyden.data.splits import InMemory, Split, Stage


@dataclass(frozen=True)
class TableInspection:
    """What was seen."""

    splits: dict[Stage, Split]
    columns: list[tuple[str, str, str, int, float]]
    """Name, kind, what its cells are, how many different ones, share of empty ones; of all rows."""
    counts: dict[Stage, Tensor]
    """(classes,) int64 rows of each class, for each split; the rows where there are no classes."""
    issues: list[DataIssue]


def inspect_table(source: MixedSource) -> TableInspection:
    """Reads every row once.

    Args:
        source: of a table whose columns differ in kind.

    Raises:
        FileNotFoundError, ValueError: what the source raises as it reads.
    """
    splits, issues = source.inspect()
    values = {stage: _values(split) for stage, split in splits.items()}
    classes = len(source.class_names)
    labels = {
        stage: source.labels_of(rows) if classes else torch.zeros(len(rows), dtype=torch.int64)
        for stage, rows in values.items()
    }
    counts = {stage: column.bincount(minlength=max(1, classes)) for stage, column in labels.items()}
    issues = [*issues, *_copies(values)]
    return TableInspection(splits, _columns(source, torch.cat(list(values.values()))), counts, issues)


def _values(split: Split) -> Tensor:
    assert isinstance(split, InMemory)
    values: Tensor = split.columns.values
    return values


def _columns(source: MixedSource, rows: Tensor) -> list[tuple[str, str, str, int, float]]:
    found: list[tuple[str, str, str, int, float]] = []
    for number, column in enumerate(source.columns):
        cells = rows[:, number].numpy()
        known = cells[~np.isnan(cells)]
        empty = float(np.isnan(cells).mean())
        if column["kind"] == "date":
            days = np.array([known.min(), known.max()]).astype("datetime64[D]").astype(str)
            what = f"{days[0]} to {days[1]}"
        elif column["kind"] in NUMBERS:
            what = f"{known.min():.6g} to {known.max():.6g}, mean {known.mean():.6g}"
        else:
            names = [name or "(empty)" for name in column["categories"]]
            what = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
            empty = float((cells == column["categories"].index("")).mean()) if "" in column["categories"] else 0.0
        found.append((column["name"], column["kind"], what, len(np.unique(known)), empty))
    return found


def _copies(values: dict[Stage, Tensor]) -> list[DataIssue]:
    """Rows of a split that an earlier split has, cell by cell: a test of them is no test."""
    issues, before = [], set[bytes]()
    for stage, rows in values.items():
        own = [row.tobytes() for row in np.nan_to_num(rows.numpy(), nan=-1e300)]
        again = sum(row in before for row in own)
        if again:
            what = f"{again:,} of {len(own):,} rows stand in an earlier split, too"
            issues.append(DataIssue("row of two splits", "warning", Path(stage), None, what))
        before.update(own)
    return issues
