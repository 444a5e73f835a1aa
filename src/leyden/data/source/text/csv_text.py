"""Texts in a table: a CSV or TSV file with a heading, or JSON lines, by the names of its columns."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from leyden.core.start.nearest import nearest
from leyden.data.source.text.imdb_folder import SPLITS
from leyden.data.source.text.table_file import check_column, check_ending, read_table
from leyden.data.source.text.text_source import Text, TextSource, class_name


class CsvText(TextSource):
    """The rows of a ``.csv``, ``.tsv``, ``.jsonl`` or ``.ndjson`` file.

    Args:
        file: the table.
        text: the column with the texts.
        label: the column with the classes, words or numbers.
        split_column: a column that says train, val or test; null: rows are divided 60 / 10 / 30 %, stratified.
        domain_column: a column that names each row's domain; null: all rows are of one.
        domain: the word in that column whose rows are taken.
        class_names: the names that classes get, such as {"0": negative, "1": positive}; null: pos and neg are written
            out, other classes are called what the file calls them.
        holdout: the part of a given training split that validates.
        encoding: of the file.
        limit: so many texts, stratified, always the same; null: all.

    Raises:
        ValueError: a domain without its column, or the other way round, or an ending that is none of these.
    """

    def __init__(
        self,
        file: str,
        text: str = "text",
        label: str = "label",
        split_column: str | None = None,
        domain_column: str | None = None,
        domain: str | None = None,
        class_names: dict[str, str] | None = None,
        holdout: float = 0.1,
        encoding: str = "utf-8",
        limit: int | None = None,
    ) -> None:
        super().__init__(domain or Path(file).stem, holdout, limit)
        if (domain is None) != (domain_column is None):
            raise ValueError("data.source.domain and data.source.domain_column belong together: set both, or neither")
        self.file, self.text, self.label, self.split_column = Path(file).expanduser(), text, label, split_column
        self.domain_column, self.domain = domain_column, domain
        self.names, self.encoding = class_names, encoding
        check_ending(self.file)

    def read(self) -> Iterator[Text]:
        """Every row of the domain."""
        table = read_table(self.file, self.encoding, self.tally)
        for key in ("text", "label", "split_column", "domain_column"):
            check_column(table, getattr(self, key), self.file, key)
        domains = table[self.domain_column] if self.domain_column is not None else pd.Series(self.domain, table.index)
        if self.domain_column is not None and not (domains == self.domain).any():
            raise ValueError(
                f"{self.file}: no row has the domain {self.domain!r}{nearest(str(self.domain), set(domains))}"
            )
        for row in table.index[domains == self.domain] if self.domain_column else table.index:
            label = table.at[row, self.label]
            if not label.strip():
                raise ValueError(f"{self.file}:{row}: the column {self.label!r} is empty: give the row a class")
            text = table.at[row, self.text].strip()
            yield Text(text, class_name(label, self.names), self.file, int(row), self._stage(table, row))

    def _stage(self, table: pd.DataFrame, row: int) -> Any:
        if self.split_column is None:
            return None
        word = table.at[row, self.split_column].strip().lower()
        if word not in SPLITS:
            raise ValueError(f"{self.file}:{row}: {word!r} is no split{nearest(word, SPLITS)}")
        return SPLITS[word]
