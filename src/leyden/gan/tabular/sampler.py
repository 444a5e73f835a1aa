"""Rows of a table out of a generator: for people and programs as the file has them, for scores as numbers."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from leyden.core.technique import Predictions
from leyden.data.mixed.encoding import RowEncoding, cells
from leyden.data.specs import FittedColumnSpec
from leyden.report.text import csv_table

Generate = Callable[[Tensor, torch.Generator], Tensor]
"""Conditions (N, categories) one-hot and a generator of the noise, on the CPU, to encoded rows (N, width)."""
ROUNDS = 100
"""Draws until rows of a class must have come out."""
AT_ONCE = 2000


class TableSampler(nn.Module):
    """Has rows generated, also of a class.

    Args:
        generate: makes them; changes nothing of the training state.
        encoding: of the rows.
        label: name of the column with the classes; None: there are none.
        conditional: whether ``generate`` looks at the conditions. Otherwise rows of a class are those of many that have
            it.
    """

    where: Tensor
    """() a buffer that knows the device."""

    def __init__(self, generate: Generate, encoding: RowEncoding, label: str | None, conditional: bool = True) -> None:
        super().__init__()
        self.generate, self.encoding, self.conditional = generate, encoding, conditional
        sizes = [span.stop - span.start for span in encoding.words]
        self.categories = sum(sizes)
        """Of all columns with categories together: the width of a condition."""
        names = [column["name"] for column in encoding.columns]
        self.label = names.index(label) if label is not None else None
        """Number of the column with the classes."""
        self.class_names = [] if self.label is None else encoding.columns[self.label]["categories"]
        words = [span.column for span in encoding.words]
        self._first = 0 if self.label is None else sum(sizes[: words.index(self.label)])
        counts = [torch.tensor(encoding.columns[column]["counts"]).double() for column in words]
        self._frequency = torch.cat([count / count.sum() for count in counts]) if counts else torch.empty(0)
        self.register_buffer("where", torch.empty(0), persistent=False)

    @torch.no_grad()
    def rows(self, count: int, generator: torch.Generator) -> Tensor:
        """``count`` rows (N, C) float64 (``leyden.data.columns.MixedRows``), categories as frequent as in the table."""
        parts = []
        for start in range(0, count, AT_ONCE):
            size = min(AT_ONCE, count - start)
            conditions = torch.zeros(size, self.categories)
            if self.categories:  # a column, all alike, and a category as often as it is: together the frequencies
                drawn = torch.multinomial(self._frequency, size, replacement=True, generator=generator)
                conditions[torch.arange(size), drawn] = 1
            parts.append(self._drawn(conditions, generator))
        return torch.cat(parts)

    @torch.no_grad()
    def rows_of(self, classes: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Rows (M, C) float64 of the classes (N,) asked for, and which of the N these are (M,), in ascending order.

        Rows that come out with another class are drawn again, up to 100 times; M < N where that was not enough.
        """
        rows = torch.zeros(len(classes), len(self.encoding.columns), dtype=torch.float64)
        left = torch.arange(len(classes))
        for _ in range(ROUNDS):
            if not len(left):
                break
            if self.conditional:
                part = left[:AT_ONCE]
                conditions = torch.zeros(len(part), self.categories)
                conditions[torch.arange(len(part)), self._first + classes[part]] = 1
                drawn = self._drawn(conditions, generator)
                right = drawn[:, self.label] == classes[part]
                rows[part[right]] = drawn[right]
                left = torch.cat([part[~right], left[AT_ONCE:]])
            else:
                drawn = self._drawn(torch.zeros(AT_ONCE, self.categories), generator)
                left = torch.cat(
                    [self._filled(rows, left[classes[left] == k], drawn, k) for k in classes[left].unique()]
                )
        kept = torch.ones(len(classes), dtype=torch.bool)
        kept[left] = False
        found = kept.nonzero().flatten()
        return rows[found], found

    def sample(self, count: int, label: str | None = None, seed: int | None = None) -> Predictions:
        """A row for each of ``count`` samples, with the table's own columns; see ``leyden.core.technique.Samples``.

        Without a label classes are as frequent as in the table.

        Raises:
            ValueError: there is no such class, or the generator makes none of it.
        """
        generator = torch.Generator()
        generator.seed() if seed is None else generator.manual_seed(seed)
        if label is None:
            return Predictions(cells(self.encoding.columns, self.rows(count, generator)), [])
        rows, found = self.rows_of(torch.full((count,), self._class(label)), generator)
        if len(found) < count:
            raise ValueError(
                f"of {count} rows of the class {label!r} {len(found)} came out in {ROUNDS} draws: the generator has "
                "not learnt that class; train longer, or with more rows of it"
            )
        return Predictions(cells(self.encoding.columns, rows), [])

    def _drawn(self, conditions: Tensor, generator: torch.Generator) -> Tensor:
        return self.encoding.decode(self.generate(conditions.to(self.where.device), generator))

    def _filled(self, rows: Tensor, places: Tensor, drawn: Tensor, label: Tensor) -> Tensor:
        """Puts the drawn rows of a class into places of ``rows``; the places that are left."""
        own = drawn[drawn[:, self.label] == label][: len(places)]
        rows[places[: len(own)]] = own
        return places[len(own) :]

    def _class(self, label: str) -> int:
        names = self.class_names
        if not names:
            raise ValueError("the rows have no classes to ask for: leave the class out, or set data.source.label")
        if label in names:
            return names.index(label)
        if label.isdecimal() and int(label) < len(names):
            return int(label)
        raise ValueError(f"no class {label!r}: the data have {', '.join(names)}")


def csv_file(columns: Sequence[FittedColumnSpec], rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """``rows.csv`` with the columns of the table alone, to be read as data of other models."""
    names = [column["name"] for column in columns]
    return {"rows.csv": csv_table(names, [[row[name] for name in names] for row in rows])}
