"""What kind of column each column of a text table is, found from its cells, and the cells as numbers."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from leyden.core.start.nearest import nearest
from leyden.data.issues import DataIssue, Effect
from leyden.data.specs import ColumnKind, ColumnSpec

Override = Literal["continuous", "whole", "category", "date", "ignore"]
"""What a user may say of a column."""
PAIRS = ({"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"}, {"0", "1"})
DATE_FORMATS = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y")
MOSTLY = 0.9
"""Share of a column's cells that are numbers from which on the others count as empty."""
DAY = 86_400.0
OTHER = "other"
Tell = Callable[[str, Effect, str], None]
"""Kind of an issue, what becomes of it, and why."""


class Found(NamedTuple):
    """A column as it was read."""

    spec: ColumnSpec | None
    """None: it is left out."""
    values: np.ndarray
    """(N,) float64, see ``leyden.data.columns.MixedRows``."""
    issues: list[DataIssue]


class ColumnReader:
    """Reads columns of text, and says what it does with each that is not plain.

    Args:
        file: for messages.
        kinds: by the names of columns: "continuous", "whole", "category", "date" or "ignore"; others are found.
        max_categories: of a column of words; the rarest beyond them become "other".
        decimal: the sign before the digits of a fraction.

    Raises:
        ValueError: there is no such kind.
    """

    def __init__(self, file: Path, kinds: Mapping[str, Override], max_categories: int, decimal: str = ".") -> None:
        for name, kind in kinds.items():
            if kind not in get_args(Override):
                raise ValueError(f"data.source.kinds: {name} is {kind!r}{nearest(str(kind), get_args(Override))}")
        self.file, self.kinds, self.max_categories, self.decimal = file, kinds, max_categories, decimal

    def read(self, cells: pd.Series, label: bool = False) -> Found:
        """One column.

        Args:
            cells: (N,) text, NaN where a cell is empty.
            label: it holds the classes: a category, whatever its cells look like.

        Raises:
            ValueError: ``kinds`` asks for what its cells are not.
        """
        name, known = str(cells.name), cells.dropna()
        kind = "category" if label else self.kinds.get(name)
        issues: list[DataIssue] = []

        def tell(what: str, effect: Effect, why: str) -> None:
            issues.append(DataIssue(what, effect, self.file, None, f"{name}: {why}"))

        if kind == "ignore":
            tell("column left out by data.source.kinds", "note", "not modelled")
            return Found(None, np.empty(0), issues)
        if known.empty:
            tell("empty column", "left out", "no row has a value")
            return Found(None, np.empty(0), issues)
        if known.nunique() == 1 and len(known) == len(cells) and not label:
            tell("constant column", "note", f"{known.iloc[0]!r} in every row; not modelled, written back as it is")
            return Found(_spec(name, "constant", [str(known.iloc[0])]), np.zeros(len(cells)), issues)
        if len(known) < len(cells):
            share = 1 - len(known) / len(cells)
            tell("missing values", "note", f"{len(cells) - len(known):,} cells ({share:.1%}) are empty, and are learnt")
        if kind != "category":
            found = self._numbers(cells, kind, tell) or self._dates(cells, kind, tell)
            if found is not None:
                spec, values = found
                return Found(spec, values, issues)
        if kind not in (None, "category"):
            raise ValueError(
                f"{self.file}: data.source.kinds says that {name!r} is {kind}, but there is {known.iloc[0]!r} in it: "
                "leave it out there, or say category"
            )
        return self._words(cells, kind, tell, issues)

    def _numbers(self, cells: pd.Series, kind: str | None, tell: Tell) -> tuple[ColumnSpec | None, np.ndarray] | None:
        """The column as numbers; None if it is something else."""
        if kind == "date":
            return None
        text = cells if self.decimal == "." else cells.str.replace(self.decimal, ".", regex=False)
        numbers = pd.to_numeric(text, errors="coerce").to_numpy(np.float64, copy=True)
        filled = cells.notna().to_numpy()
        infinite = filled & np.isinf(numbers)
        strange = filled & np.isnan(numbers)
        good = filled & np.isfinite(numbers)
        if good.sum() < max(1, MOSTLY * filled.sum()) and not (kind and good.any()):
            return None
        known = cells[filled]
        if kind is None and (_pair(known) or known.str.fullmatch(r"0\d+").any()):
            return None  # yes and no; postcodes and numbers of articles
        if strange.any():
            tell(
                "words among numbers",
                "warning",
                f"{int(strange.sum()):,} cells such as {cells[strange].iloc[0]!r} are taken as empty",
            )
        if infinite.any():
            tell("infinite numbers", "warning", f"{int(infinite.sum()):,} cells are taken as empty")
        numbers[infinite] = np.nan
        whole = bool(np.all(numbers[good] == np.round(numbers[good])))
        if kind is None and whole and good.all() and len(numbers) > 2 and np.all(np.diff(numbers) == 1):
            tell("row numbers", "left out", f"{numbers[0]:.0f}, {numbers[1]:.0f}, ... number the rows")
            return None, np.empty(0)
        if kind == "whole" and not whole:
            raise ValueError(
                f"{self.file}: data.source.kinds says that {cells.name!r} is whole, but there is "
                f"{numbers[good][numbers[good] != np.round(numbers[good])][0]:g} in it: say continuous"
            )
        chosen: ColumnKind = "whole" if kind == "whole" or (kind is None and whole) else "continuous"
        return _spec(str(cells.name), chosen), numbers

    def _dates(self, cells: pd.Series, kind: str | None, tell: Tell) -> tuple[ColumnSpec | None, np.ndarray] | None:
        """The column as days since 1970; None if not all its cells are dates of one format."""
        known = cells.dropna()
        if kind not in (None, "date") or not known.str.contains(r"\d").all():
            return None
        for form in DATE_FORMATS:
            dates = pd.to_datetime(known, format=form, errors="coerce")
            if dates.notna().all():
                days = pd.Series(np.nan, index=cells.index)
                days[known.index] = (dates - pd.Timestamp(0)) / pd.Timedelta(days=1)
                tell("dates", "note", f"read as {form}, modelled as days since 1970-01-01")
                return _spec(str(cells.name), "date", date_format=form), days.to_numpy(np.float64)
        return None

    def _words(self, cells: pd.Series, kind: str | None, tell: Tell, issues: list[DataIssue]) -> Found:
        """The column as categories, or nothing where nearly every row has a word of its own."""
        counts = cells.value_counts()
        if len(counts) > self.max_categories:
            if kind is None and len(counts) > len(cells) / 2:
                tell("identifiers or free text", "left out", f"{len(counts):,} different words in {len(cells):,} rows")
                return Found(None, np.empty(0), issues)
            common = set(counts.index[: self.max_categories - 1])
            tell(
                "many categories",
                "warning",
                f"of {len(counts):,} the {len(common):,} most frequent are kept, the "
                f"others are {OTHER!r}; data.source.max_categories keeps more",
            )
            cells = cells.where(cells.isna() | cells.isin(common), OTHER)
        words = sorted(cells.dropna().unique(), key=_in_order)
        words += [""] * bool(cells.isna().any())
        places = {word: place for place, word in enumerate(words)}
        values = cells.fillna("").map(places).to_numpy(np.float64)
        spec = _spec(str(cells.name), "boolean" if _pair(cells.dropna()) else "category", [str(word) for word in words])
        return Found(spec, values, issues)


def _spec(name: str, kind: ColumnKind, categories: list[str] | None = None, date_format: str = "") -> ColumnSpec:
    return ColumnSpec(name=name, kind=kind, categories=categories or [], date_format=date_format)


def _pair(known: pd.Series) -> bool:
    """Whether a column has two words that mean yes and no."""
    return known.nunique() == 2 and set(known.str.lower()) in PAIRS


def _in_order(word: str) -> tuple[float, str]:
    """Numbers by their size, before words by the alphabet."""
    return (float(word), word) if re.fullmatch(r"-?\d+(\.\d+)?", word) else (np.inf, word)
