"""A table of attributes: a row of numbers that describes each class, by which a class is known without an example."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import NamedTuple, Protocol, Self, runtime_checkable

import torch
from torch import Tensor


class Attributes(NamedTuple):
    """What describes each class."""

    class_names: list[str]
    """Of C classes."""
    names: list[str]
    """Of A attributes."""
    values: Tensor
    """(C, A) float32; of attributes that are there or not, 1 and 0."""

    def of(self, class_names: Sequence[str]) -> Self:
        """The rows of some classes, in their order.

        Raises:
            ValueError: a class has none; the message names the nearest that have.
        """
        missing = [name for name in class_names if name not in self.class_names]
        if missing:
            near = get_close_matches(missing[0], self.class_names, 3, 0.5) or self.class_names[:5]
            raise ValueError(
                f"{len(missing)} of {len(class_names)} classes have no attributes, such as {missing[0]!r}: the nearest "
                f"of the {len(self.class_names)} that have are {', '.join(map(repr, near))}; give both the same names"
            )
        place = {name: number for number, name in enumerate(self.class_names)}
        rows = torch.tensor([place[name] for name in class_names], dtype=torch.int64)
        return self._replace(class_names=list(class_names), values=self.values[rows])


@runtime_checkable
class HasAttributes(Protocol):
    """A source that knows the attributes of its classes."""

    @property
    def attributes(self) -> Attributes:
        """A row for each of ``class_names``; valid after ``prepare``."""
        ...


def one_hot(places: Sequence[Sequence[int]], sizes: Sequence[int]) -> Tensor:
    """Attributes of classes that are combinations of one value of each factor: a column for each value.

    Args:
        places: of C classes, the value of each of K factors.
        sizes: (K,) how many values each factor has.

    Returns:
        (C, sum of sizes) float32, K ones in each row.
    """
    rows = torch.tensor(places, dtype=torch.int64).reshape(-1, len(sizes))
    parts = [torch.nn.functional.one_hot(rows[:, k], size) for k, size in enumerate(sizes)]
    return torch.cat(parts, 1).float()
