"""A table of numbers with a column of classes, from a CSV file: one domain, or one of several in the same file."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from leyden.data.source.rows.row_source import Protocol, RowSource


class CsvRows(RowSource):
    """The rows of a CSV file with a heading; every column but those of class and domain is a feature.

    Args:
        file: the table.
        label: the column with the classes, words or numbers.
        domain_column: a column that names each row's domain; null: all rows are of one.
        domain: the word in that column whose rows are taken.
        protocol: "whole" or "split", see ``RowSource``.

    Raises:
        ValueError: a domain without its column, or the other way round, or another protocol.
    """

    def __init__(
        self,
        file: str,
        label: str = "label",
        domain_column: str | None = None,
        domain: str | None = None,
        protocol: Protocol = "split",
    ) -> None:
        super().__init__(domain or Path(file).stem, protocol)
        if (domain is None) != (domain_column is None):
            raise ValueError("data.source.domain and data.source.domain_column belong together: set both, or neither")
        self.file, self.label = Path(file).expanduser(), label
        self.domain_column, self.domain = domain_column, domain

    def prepare(self) -> None:
        """Reads the file.

        Raises:
            FileNotFoundError: there is none.
            ValueError: a column is missing or holds something else than numbers, or no row is of the domain.
        """
        if self._splits:
            return
        if not self.file.is_file():
            raise FileNotFoundError(f"data.source.file={self.file}: no such file (looked from {Path.cwd()})")
        table = pd.read_csv(self.file)
        for column in filter(None, (self.label, self.domain_column)):
            if column not in table:
                raise ValueError(
                    f"{self.file} has no column {column!r}: there are {', '.join(map(str, table.columns))}"
                )
        if self.domain_column is not None:
            domains = table.pop(self.domain_column).astype(str)
            if not (domains == self.domain).any():
                raise ValueError(
                    f"{self.file}: no row has the domain {self.domain!r}: there are {sorted(set(domains))}"
                )
            classes = sorted(set(table[self.label].astype(str)))  # of all domains, so that labels mean the same
            table = table[domains == self.domain]
        else:
            classes = sorted(set(table[self.label].astype(str)))
        words = table.pop(self.label).astype(str)
        if strange := [str(name) for name, kind in table.dtypes.items() if kind.kind not in "iufb"]:
            raise ValueError(f"{self.file}: the column {strange[0]!r} holds no numbers: leave it out or encode it")
        rows = torch.from_numpy(table.to_numpy(np.float64, copy=True))
        labels = torch.tensor([classes.index(word) for word in words])
        self.set_rows(rows, labels, classes, [str(name) for name in table.columns])
