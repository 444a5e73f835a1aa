"""What ``leyden check-data`` tells of a table whose columns differ in kind: its columns, its classes, a chart."""

import numpy as np
import torch
from torch import Tensor

from leyden.data.inspection.rows import TableInspection
from leyden.data.issues import printable
from leyden.data.source import Source
from leyden.data.source.mixed_rows.mixed_source import MixedSource
from leyden.data.splits import InMemory
from leyden.report.text import markdown_table
from leyden.visualization.generated.real_and_generated import ColumnPair, draw_columns

SHOWN = 24
"""Columns of the chart."""


def row_tables(source: Source, seen: TableInspection) -> list[str]:
    """Paragraphs: rows of each split, by class where there are classes; the columns."""
    stages = list(seen.splits)
    names = list(source.class_names) or ["rows"]
    rows = [[printable(name), *(f"{int(seen.counts[stage][i]):,}" for stage in stages)] for i, name in enumerate(names)]
    kinds = [
        [printable(name), kind, printable(what), f"{different:,}", f"{empty:.1%}" if empty else ""]
        for name, kind, what, different, empty in seen.columns
    ]
    heads = ["column", "kind", "values", "different", "empty"]
    return [markdown_table(["class" if source.class_names else "", *stages], rows), markdown_table(heads, kinds)]


def row_sheet(source: Source, seen: TableInspection) -> Tensor:
    """Each column's values in training (blue) and test (orange): uint8 (3, H, W)."""
    assert isinstance(source, MixedSource)
    train, test = (_values(seen, stage) for stage in ("train", "test"))
    pairs = []
    for number, column in enumerate(source.columns[:SHOWN]):
        sides = [rows[:, number].numpy() for rows in (train, test)]
        if column["categories"]:
            words = np.array(column["categories"])
            sides = [words[side.astype(int)] for side in sides]
        pairs.append(ColumnPair(column["name"], sides[0], sides[1], None))
    return draw_columns(pairs, source.name, ("train", "test"))


def _values(seen: TableInspection, stage: str) -> Tensor:
    split = next(split for name, split in seen.splits.items() if name == stage)
    assert isinstance(split, InMemory)
    return torch.as_tensor(split.columns.values)
