"""A task of domain adaptation as techniques see it that are fitted at once."""

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from leyden.data.splits import Split


class Pair(NamedTuple):
    """A source and a target."""

    name: str
    source: Split
    """Labelled training examples."""
    target: Split
    """Training examples without labels."""
    labelled: Split | None
    """The few of the target whose labels are known, if there are any; ``target`` has them as well."""


@runtime_checkable
class HasPairs(Protocol):
    """A DataModule of one task or more."""

    seed: int

    @property
    def validates(self) -> bool:
        """Whether there are examples to validate on."""
        ...

    def pairs(self) -> list[Pair]:
        """The tasks."""
        ...

    def test_splits(self) -> list[Split]:
        """The test examples of each task's target, with its labels where it has them."""
        ...


def few_of_each(labels: Tensor, count: int, seed: int) -> Tensor:
    """Sorted indices of ``count`` examples of each class of ``labels`` (N,), or of all where there are fewer."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    chosen = [order[labels[order] == label][:count] for label in labels.unique()]
    return torch.cat(chosen).sort().values
