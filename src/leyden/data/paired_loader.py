"""Batches of two splits of different lengths, side by side, and of several such pairs."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from leyden.data.loader import Loader


class PairedLoader:
    """A batch of each of two loaders per step; the place in both is stored and restored exactly.

    An epoch is one pass over ``first``. ``second`` goes round at its own pace, across epochs: where it is longer, the
    next epoch goes on where the last one stopped, where it is shorter, it begins a round of its own, in a new order. So
    each example of ``second`` is seen once in each of its rounds. In evaluation, and where the trainer overfits, each
    epoch begins ``second`` anew.

    Args:
        first: decides the length of an epoch.
        second: may have any length.
        pair: makes the batch, a NamedTuple, of one of each.
    """

    def __init__(self, first: Loader, second: Loader, pair: Callable[[Any, Any], Any]) -> None:
        self.first = first
        self.second = second
        self.pair = pair
        self._rounds = self._round_after_round()

    def __len__(self) -> int:
        """Batches per epoch on this rank."""
        return len(self.first)

    def __iter__(self) -> Iterator[Any]:
        # As in Loader: an iterator that is made and thrown away costs nothing.
        if not self.second.train:
            self._rounds = self._round_after_round()
        for batch in self.first:
            yield self.pair(batch, next(self._rounds))

    def state_dict(self) -> dict[str, Any]:
        """The place in both."""
        return {"first": self.first.state_dict(), "second": self.second.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Makes the next iteration go on behind the last batches that were handed out."""
        self.first.load_state_dict(state["first"])
        self.second.load_state_dict(state["second"])
        self._rounds = self._round_after_round()

    def _round_after_round(self) -> Iterator[Any]:
        while True:
            yield from self.second


class SideBySide:
    """A tuple with a batch of each loader per step; the place in all is stored and restored exactly.

    An epoch ends with the shortest.

    Args:
        loaders: one for each task.
    """

    def __init__(self, loaders: Sequence[PairedLoader]) -> None:
        self.loaders = list(loaders)

    def __len__(self) -> int:
        """Steps of an epoch."""
        return min(map(len, self.loaders))

    def __iter__(self) -> Iterator[Any]:
        yield from zip(*self.loaders, strict=False)

    def state_dict(self) -> dict[str, Any]:
        """The place in each."""
        return {"loaders": [loader.state_dict() for loader in self.loaders]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Makes the next iteration go on behind the last batches that were handed out."""
        for loader, own in zip(self.loaders, state["loaders"], strict=True):
            loader.load_state_dict(own)
