"""A table of one's own from a CSV file, whatever its columns hold."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from leyden.core.start.nearest import nearest
from leyden.data.issues import DataIssue, log_issues
from leyden.data.mixed.kinds import ColumnReader, Found, Override
from leyden.data.source import log
from leyden.data.source.mixed_rows.mixed_source import MixedSource
from leyden.data.source.text.text_source import read_lines

DELIMITERS = ",;\t|"
LEAST_ROWS = 10


class CsvMixed(MixedSource):
    """The rows of a CSV file with a heading; commas, semicolons, tabs or bars between the columns.

    Each column is found to be of continuous numbers, whole numbers, words of a list, two words that mean yes and no,
    or dates. Empty cells (also NA, nan, null) are part of what is learnt: a category or a mode of their own. What is
    constant is not modelled, but written back. Columns of identifiers, of free text, of row numbers, and empty ones are
    left out. The log and ``leyden check-data`` tell all this. The splits, 60 / 10 / 30 %, are stratified by the label.

    Args:
        file: the table.
        label: the column with the classes; null: the rows have none.
        kinds: by the names of columns, what they are, where that is to be something else than was found: "continuous",
            "whole", "category", "date", "ignore".
        max_categories: of a column of words; the rarest beyond them become "other".
        encoding: of the file.
        seed: of the division into splits.

    Raises:
        ValueError: fewer than 2 categories are asked for, or there is no such kind.
    """

    def __init__(
        self,
        file: str,
        label: str | None = None,
        kinds: Mapping[str, Override] | None = None,
        max_categories: int = 50,
        encoding: str = "utf-8",
        seed: int = 0,
    ) -> None:
        if max_categories < 2:
            raise ValueError(f"data.source.max_categories={max_categories}: a column of words has 2 or more")
        self.file, self.kinds = Path(file).expanduser(), dict(kinds or {})
        self.name, self.label, self.max_categories, self.encoding = self.file.stem, label, max_categories, encoding
        self.seed = seed
        ColumnReader(self.file, self.kinds, max_categories)  # refuses a kind that there is not
        self._read = False

    def prepare(self) -> None:
        """Reads the file.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is no table, has too few rows, no column to model, lacks a column that is named, or the label
                has one class or more than ``max_categories``.
        """
        if self._read:
            return
        table, decimal = self._table()
        self._check_names(table)
        issues: list[DataIssue] = []
        if self.label is not None and (empty := table[self.label].isna()).any():
            what = f"{self.label}: {int(empty.sum()):,} rows have no class"
            issues.append(DataIssue("row without a class", "left out", self.file, None, what))
            table = table[~empty].reset_index(drop=True)
        if len(table) < LEAST_ROWS:
            raise ValueError(f"{self.file}: {len(table)} rows: a table to learn from has {LEAST_ROWS} or more")
        reader = ColumnReader(self.file, self.kinds, self.max_categories, decimal)
        found = [reader.read(table[name], label=name == self.label) for name in table]
        issues += [issue for column in found for issue in column.issues]
        self._check_found(found, table)
        kept = [column for column in found if column.spec is not None]
        values = torch.from_numpy(np.stack([column.values for column in kept], 1))
        self.set_table([column.spec for column in kept if column.spec is not None], values, self.label, self.seed)
        self.issues = issues
        log_issues(log, self.name, issues)
        self._read = True

    def _table(self) -> tuple[pd.DataFrame, str]:
        """All cells as text, NaN where they are empty, and the sign before the digits of a fraction."""
        if not self.file.is_file():
            raise FileNotFoundError(f"data.source.file={self.file}: no such file (looked from {Path.cwd()})")
        text = "\n".join(read_lines(self.file, self.encoding))
        heading = text.split("\n", 1)[0]
        delimiter = max(DELIMITERS, key=heading.count)
        try:
            table = pd.read_csv(
                io.StringIO(text), sep=delimiter, dtype=str, skipinitialspace=True, quoting=csv.QUOTE_MINIMAL
            )
        except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
            raise ValueError(f"{self.file}: no table with {delimiter!r} between columns ({error})") from error
        table.columns = [str(name).strip() for name in table.columns]
        table = table.apply(lambda column: column.str.strip())
        table = table.mask(table == "")
        comma = delimiter == ";" and table.stack().str.fullmatch(r"-?\d+,\d+").any()
        return table, "," if comma else "."

    def _check_names(self, table: pd.DataFrame) -> None:
        names = list(table.columns)
        for name in [*filter(None, [self.label]), *self.kinds]:
            if name not in names:
                raise ValueError(f"{self.file} has no column {name!r}{nearest(name, names)}")
        if self.label in self.kinds:
            raise ValueError(
                f"data.source.kinds names {self.label!r}, the label, whose cells are its classes: leave it out"
            )

    def _check_found(self, found: list[Found], table: pd.DataFrame) -> None:
        if self.label is not None:
            classes = table[self.label].nunique()
            if not 2 <= classes <= self.max_categories:
                raise ValueError(
                    f"{self.file}: {self.label!r} has {classes:,} different classes in {len(table):,} rows: choose a "
                    f"data.source.label with 2 to {self.max_categories}, or null"
                )
        if all(column.spec is None or column.spec["kind"] == "constant" for column in found):
            raise ValueError(f"{self.file}: no column is left to model: {', '.join(map(str, table.columns))}")
