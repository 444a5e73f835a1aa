"""A table of one's own with empty cells: ratings of users for items, measurements of which some are missing."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from leyden.data.source.incomplete.table_source import Table, TableSource, check_table

log = logging.getLogger(__name__)


class CsvTable(TableSource):
    """A CSV file with a heading; a cell that is empty, or says NA or nan, is to be found.

    A row without a single number stays, and is filled with what is known of the columns alone; the log names it.

    Args:
        file: the table; every column but those named below is a feature, a number or empty.
        labels: columns of labels, of two values each, such as 0 and 1, -1 and 1, no and yes; the second in sorted order
            is the positive one. Empty cells are the labels that are to be predicted.
        index: a column that names the rows and is not used otherwise, such as the user; null: they are numbered from 1.

    Raises:
        ValueError: a column is both label and index.
    """

    def __init__(self, file: str, labels: list[str] | None = None, index: str | None = None) -> None:
        self.file, self.labels, self.index = Path(file).expanduser(), list(labels or []), index
        self.name = self.file.stem
        if index in self.labels:
            raise ValueError(f"data.source.index={index} is among data.source.labels, too: name it once")
        self._table: Table | None = None

    def table(self) -> Table:
        """Reads the file.

        Raises:
            FileNotFoundError: there is none.
            ValueError: a column is missing, holds words where numbers belong, or cannot be completed (``check_table``).
        """
        if self._table is None:
            self._table = self._read()
            check_table(self._table, str(self.file))
            for row in self._table.features.isnan().all(1).nonzero().flatten().tolist():
                name = self._table.row_names[row]
                log.warning("%s, %s: no feature is known, so it is filled by its columns alone", self.file, name)
        return self._table

    def _read(self) -> Table:
        if not self.file.is_file():
            raise FileNotFoundError(f"data.source.file={self.file}: no such file (looked from {Path.cwd()})")
        frame = pd.read_csv(self.file, encoding="utf-8-sig")
        for column in [*self.labels, *filter(None, [self.index])]:
            if column not in frame:
                raise ValueError(
                    f"{self.file} has no column {column!r}: there are {', '.join(map(str, frame.columns))}"
                )
        names = [f"row {row}" for row in range(1, len(frame) + 1)]
        if self.index is not None:
            names = [f"{self.index} {value}" for value in frame.pop(self.index)]
        labels = [self._two_valued(frame.pop(column), column, names) for column in self.labels]
        features = [self._numbers(frame[column], str(column), names) for column in frame]
        return Table(
            torch.stack(features, 1) if features else torch.zeros(len(frame), 0, dtype=torch.float64),
            torch.stack(labels, 1) if labels else torch.zeros(len(frame), 0, dtype=torch.float64),
            [str(column) for column in frame],
            self.labels,
            names,
        )

    def _numbers(self, column: pd.Series, name: str, rows: list[str]) -> Tensor:
        numbers = pd.to_numeric(column, errors="coerce")
        strange = (numbers.isna() & column.notna()).to_numpy().nonzero()[0]
        if len(strange):
            raise ValueError(
                f"{self.file}, {rows[strange[0]]}: {name!r} is {column.iloc[strange[0]]!r}, no number: leave the cell "
                "empty, or the column out, or name it in data.source.labels or index"
            )
        return torch.from_numpy(numbers.to_numpy(np.float64, copy=True))

    def _two_valued(self, column: pd.Series, name: str, rows: list[str]) -> Tensor:
        found = sorted(column.dropna().unique().tolist())
        if len(found) > 2:
            place = int((column == found[2]).to_numpy().nonzero()[0][0])
            raise ValueError(
                f"{self.file}, {rows[place]}: the label {name!r} is {found[2]!r} besides {found[0]!r} and "
                f"{found[1]!r}: a label has two values; give a column for each class"
            )
        signs = dict(zip(found, (-1.0, 1.0), strict=False))
        return torch.tensor([signs.get(value, float("nan")) for value in column.tolist()], dtype=torch.float64)
