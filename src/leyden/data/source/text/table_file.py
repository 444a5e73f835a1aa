"""Tables of texts: CSV or TSV with a heading, or JSON lines, as text by the names of their columns."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from leyden.core.start.nearest import nearest
from leyden.data.issues import Tally
from leyden.data.source.text.text_source import read_lines

DELIMITERS = {".csv": ",", ".tsv": "\t"}
JSON_LINES = (".jsonl", ".ndjson")


def check_ending(file: Path) -> None:
    """Refuses a file that is no table.

    Raises:
        ValueError: its ending is none of those that are read.
    """
    if file.suffix.lower() not in (*DELIMITERS, *JSON_LINES):
        raise ValueError(f"data.source.file={file}: should end in {', '.join((*DELIMITERS, *JSON_LINES))}")


def check_column(table: pd.DataFrame, column: str | None, file: Path, key: str) -> None:
    """Refuses a table without a column.

    Args:
        table: of ``read_table``.
        column: its name; None is always there.
        file: that the table was read from.
        key: of the source that names the column.

    Raises:
        ValueError: it has none of that name; the message has the nearest ones.
    """
    if column is not None and column not in table:
        raise ValueError(f"{file} has no column {column!r}, which data.source.{key} names{nearest(column, table)}")


def read_table(file: Path, encoding: str, tally: Tally) -> pd.DataFrame:
    """All rows as text, each numbered by the line in which it begins; lines without a word are no rows.

    Args:
        file: ``.csv``, ``.tsv``, ``.jsonl`` or ``.ndjson``.
        encoding: of the file.
        tally: counts blank lines.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is no table, or has bytes that are no such text; the message names the line.
    """
    if not file.is_file():
        raise FileNotFoundError(f"data.source.file={file}: no such file (looked from {Path.cwd()})")
    lines = read_lines(file, encoding)
    if file.suffix.lower() in JSON_LINES:
        rows = {number: _object(line, file, number) for number, line in enumerate(lines, 1) if line.strip()}
        table = pd.DataFrame.from_dict(rows, orient="index", dtype=object)
        return table.map(lambda value: "" if value is None or value != value else str(value))
    delimiter = DELIMITERS[file.suffix.lower()]
    try:
        table = pd.read_csv(
            io.StringIO("\n".join(lines)), sep=delimiter, dtype=str, keep_default_na=False, skip_blank_lines=False
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{file}: no table with {delimiter!r} between columns ({error})") from error
    table = table.fillna("")
    ends = table.apply(lambda column: column.str.count("\n")).sum(axis=1).to_numpy()  # inside quoted cells
    table = table.set_axis(2 + np.arange(len(table)) + np.r_[0, ends[:-1].cumsum()].astype(int), axis=0)
    blank = (table == "").all(axis=1)
    if blank.any():
        tally.add("blank line, passed over", file, int(blank.sum()))
    return table[~blank]


def _object(line: str, file: Path, number: int) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{file}:{number}: no JSON ({error.msg}): each line holds one object") from error
    if not isinstance(found, dict):
        raise ValueError(f'{file}:{number}: {type(found).__name__}, no object: write {{"text": ..., ...}}')
    return found
