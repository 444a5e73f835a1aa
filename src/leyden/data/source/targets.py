"""Several targets of each example: what a source knows besides, or instead of, one class."""

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from leyden.data.splits import Stage


class Target(NamedTuple):
    """One target of all examples of a split: a class, or a number."""

    values: Tensor
    """(N,) int64 places in ``class_names``, -1 where unknown; or (N,) float32 numbers, nan where unknown."""
    class_names: list[str]
    """Of C classes; empty for a number."""

    @property
    def known(self) -> Tensor:
        """(N,) bool: which examples have it."""
        return self.values >= 0 if self.class_names else self.values.isfinite()


@runtime_checkable
class HasTargets(Protocol):
    """A source that knows several targets of each example."""

    def targets(self, stage: Stage) -> dict[str, Target]:
        """By name, in the order of the examples of ``split(stage)``; the same names and classes in all stages."""
        ...


def class_target(words: list[str | None], class_names: list[str]) -> Target:
    """A target of classes by their names; None is unknown."""
    place = {name: number for number, name in enumerate(class_names)}
    return Target(torch.tensor([-1 if word is None else place[word] for word in words], dtype=torch.int64), class_names)
