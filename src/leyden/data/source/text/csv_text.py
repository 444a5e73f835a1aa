"""Texts in a table: a CSV or TSV file with a heading, or JSON lines, by the names of its columns."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from leyden.core.start.nearest import nearest
from leyden.data.source.text.imdb_folder import SPLITS
from leyden.data.source.text.text_source import Text, TextSource, class_name, read_lines

DELIMITERS = {".csv": ",", ".tsv": "\t"}
JSON_LINES = (".jsonl", ".ndjson")


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
        if self.file.suffix.lower() not in (*DELIMITERS, *JSON_LINES):
            raise ValueError(f"data.source.file={file}: should end in {', '.join((*DELIMITERS, *JSON_LINES))}")

    def read(self) -> Iterator[Text]:
        """Every row of the domain."""
        table = self._table()
        for key in ("text", "label", "split_column", "domain_column"):
            column = getattr(self, key)
            if column is not None and column not in table:
                raise ValueError(
                    f"{self.file} has no column {column!r}, which data.source.{key} names{nearest(column, table)}"
                )
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

    def _table(self) -> pd.DataFrame:
        """All rows as text, each numbered by the line in which it begins; lines without a word are no rows."""
        if not self.file.is_file():
            raise FileNotFoundError(f"data.source.file={self.file}: no such file (looked from {Path.cwd()})")
        lines = read_lines(self.file, self.encoding)
        if self.file.suffix.lower() in JSON_LINES:
            rows = {number: _object(line, self.file, number) for number, line in enumerate(lines, 1) if line.strip()}
            table = pd.DataFrame.from_dict(rows, orient="index", dtype=object)
            return table.map(lambda value: "" if value is None or value != value else str(value))
        delimiter = DELIMITERS[self.file.suffix.lower()]
        try:
            table = pd.read_csv(
                io.StringIO("\n".join(lines)), sep=delimiter, dtype=str, keep_default_na=False, skip_blank_lines=False
            )
        except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
            raise ValueError(f"{self.file}: no table with {delimiter!r} between columns ({error})") from error
        table = table.fillna("")
        ends = table.apply(lambda column: column.str.count("\n")).sum(axis=1).to_numpy()  # inside quoted cells
        table = table.set_axis(2 + np.arange(len(table)) + np.r_[0, ends[:-1].cumsum()].astype(int), axis=0)
        blank = (table == "").all(axis=1)
        if blank.any():
            self.tally.add("blank line, passed over", self.file, int(blank.sum()))
        return table[~blank]


def _object(line: str, file: Path, number: int) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{file}:{number}: no JSON ({error.msg}): each line holds one object") from error
    if not isinstance(found, dict):
        raise ValueError(f'{file}:{number}: {type(found).__name__}, no object: write {{"text": ..., "label": ...}}')
    return found
