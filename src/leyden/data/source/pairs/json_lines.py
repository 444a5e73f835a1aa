"""Pairs of a text and its summary in JSON lines, or in a CSV or TSV file with a heading, by the names of columns."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from leyden.core.start.nearest import nearest
from leyden.data.source.pairs.pair_source import Pair, PairSource
from leyden.data.source.text.imdb_folder import SPLITS
from leyden.data.source.text.table_file import check_column, check_ending, read_table


class JsonLines(PairSource):
    """The rows of a ``.jsonl``, ``.ndjson``, ``.csv`` or ``.tsv`` file, such as those of news and their highlights.

    Args:
        file: the table.
        text: the column with the texts, "article" in many sets.
        summary: the column with the summaries, "highlights" in many sets.
        split_column: a column that says train, val or test; null: rows are divided 60 / 10 / 30 %.
        holdout: the part of a given training split that validates.
        encoding: of the file.
        limit: so many pairs, always the same; null: all.

    Raises:
        ValueError: text and summary are one column, or an ending that is none of these.
    """

    def __init__(
        self,
        file: str,
        text: str = "text",
        summary: str = "summary",
        split_column: str | None = None,
        holdout: float = 0.1,
        encoding: str = "utf-8",
        limit: int | None = None,
    ) -> None:
        super().__init__(Path(file).stem, holdout, limit)
        self.file = Path(file).expanduser()
        check_ending(self.file)
        if text == summary:
            raise ValueError(f"data.source.text and data.source.summary are both {text!r}: name two columns")
        self.text, self.summary, self.split_column, self.encoding = text, summary, split_column, encoding

    def read(self) -> Iterator[Pair]:
        """Every row."""
        table = read_table(self.file, self.encoding, self.tally)
        for key in ("text", "summary", "split_column"):
            check_column(table, getattr(self, key), self.file, key)
        for row in table.index:
            text, summary = (table.at[row, column].strip() for column in (self.text, self.summary))
            yield Pair(text, summary, self.file, int(row), self._stage(table, row))

    def _stage(self, table: Any, row: int) -> Any:
        if self.split_column is None:
            return None
        word = table.at[row, self.split_column].strip().lower()
        if word not in SPLITS:
            raise ValueError(f"{self.file}:{row}: {word!r} is no split{nearest(word, SPLITS)}")
        return SPLITS[word]
