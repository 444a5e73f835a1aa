"""Batches in an order that can be stopped and taken up again at any step.

The order of an epoch is a pure function of (seed, epoch), and the random numbers for an example's augmentation are one
of (seed, epoch, index). Nothing depends on the number of workers or on what was drawn before.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from leyden.core.seeding import mix
from leyden.data.columns import collate, device_of
from leyden.data.splits import InMemory, Sampled, Split


class Augment(Protocol):
    """A random change of a whole batch, driven by numbers that it is given."""

    draws: int
    """How many random numbers one example needs."""

    def __call__(self, batch: Any, u: Tensor) -> Any:
        """The batch, a NamedTuple, with what changes replaced.

        Args:
            batch: of the kind that the augmentation is for; it is not changed itself.
            u: (B, draws) float32, uniform in [0, 1), where the batch lies.
        """
        ...


class Loader:
    """Batches of one split, NamedTuples as the split's own; Lightning stores and restores its place in checkpoints.

    Under ``torch.distributed`` each rank takes every world-size-th example: in training the ragged end is dropped so
    that all ranks take the same number of steps, in evaluation every example is seen exactly once.

    Args:
        split: in memory, batches are indexed; one that is ``Sampled`` draws them, in evaluation the same ones in every
            epoch; otherwise examples are decoded by ``workers`` processes.
        batch_size: examples per batch and rank.
        train: shuffles, drops the last incomplete batch (unless it is the only one) and augments.
        seed: of order and augmentation.
        augment: applied to training batches only, unless ``always``.
        workers: processes that decode a split which is not in memory.
        whole: each rank takes all examples instead of its share.
        views: so many different augmentations of each example; epoch e gets that of epoch e mod ``views``. None: a new
            one in each epoch.
        cached: the augmented split as a network gave it, computed once, an entry per view; taken in place of the split.
        limit: how much of an epoch the trainer takes, batches or (float) their share; going on from there begins the
            next epoch.
        always: ``augment`` makes evaluation batches too, the same ones in every epoch.
    """

    def __init__(
        self,
        split: Split | Sampled,
        batch_size: int,
        *,
        train: bool = False,
        seed: int = 0,
        augment: Augment | None = None,
        workers: int = 0,
        whole: bool = False,
        views: int | None = None,
        cached: Sequence[InMemory] = (),
        limit: int | float = 1.0,
        always: bool = False,
    ) -> None:
        if len(split) == 0:
            raise ValueError("the split is empty")
        if augment is not None and isinstance(split, Sampled):
            raise ValueError("a split that is sampled has no augmentation besides: both would use the same numbers")
        self.split = split
        self.batch_size = batch_size
        self.train = train
        self.seed = seed
        self.augment = augment if train or always else None
        self.workers = workers
        self.whole = whole
        self.views = views
        self.cached = cached
        self.limit = limit
        self._epoch = -1
        self._position = 0
        self._restored = False

    def __len__(self) -> int:
        """Batches per epoch on this rank."""
        examples = self._share()
        if self.train and examples >= self.batch_size:
            return examples // self.batch_size
        return -(-examples // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        # The body starts at the first `next`, so an iterator that is made and thrown away costs no epoch.
        taken = int(len(self) * self.limit) if isinstance(self.limit, float) else self.limit
        if not self._restored or self._position >= min(taken, len(self)):
            self._epoch += 1
            self._position = 0
        self._restored = False
        batches = self._order().split(self.batch_size)[self._position : len(self)]
        augment = None if self.cached else self.augment
        uniform = None if augment is None else self.numbers(self._view())
        for indices, batch in zip(batches, self._fetch(batches), strict=True):
            self._position += 1
            if augment is not None and uniform is not None:
                batch = augment(batch, uniform[indices].to(device_of(batch)))
            yield batch

    def state_dict(self) -> dict[str, int]:
        """The place in the data: the epoch and how many of its batches were handed out."""
        return {"epoch": self._epoch, "position": self._position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Makes the next iteration go on behind the last batch that was handed out."""
        self._epoch = state["epoch"]
        self._position = state["position"]
        self._restored = True

    def numbers(self, view: int) -> Tensor:
        """What augmentation number ``view`` is driven by: (examples, draws), uniform in [0, 1)."""
        assert self.augment is not None
        return self._uniform(view, self.augment.draws)

    def _view(self) -> int:
        if not self.train:
            return 0
        return self._epoch if self.views is None else self._epoch % self.views

    def _uniform(self, epoch: int, draws: int) -> Tensor:
        return torch.rand(len(self.split), draws, generator=self._generator(epoch, 1))

    def _generator(self, epoch: int, purpose: int) -> torch.Generator:
        return torch.Generator().manual_seed(mix(self.seed, epoch, purpose))

    def _order(self) -> Tensor:
        """This rank's example indices for the current epoch."""
        count = len(self.split)
        order = torch.randperm(count, generator=self._generator(self._epoch, 0)) if self.train else torch.arange(count)
        rank, world = self._rank_and_world()
        return self.arranged(order, self.batch_size * world)[rank::world][: self._share()]

    def arranged(self, order: Tensor, together: int) -> Tensor:
        """The same examples in another order; a child overrides this to choose which make a batch.

        Args:
            order: (N,) int64, shuffled in training.
            together: so many in a row make the batches that all ranks take in one step.
        """
        return order

    def _share(self) -> int:
        count, (rank, world) = len(self.split), self._rank_and_world()
        return count // world if self.train else len(range(rank, count, world))

    def _rank_and_world(self) -> tuple[int, int]:
        if not self.whole and dist.is_available() and dist.is_initialized():
            return dist.get_rank(), dist.get_world_size()
        return 0, 1

    def _fetch(self, batches: tuple[Tensor, ...]) -> Iterator[Any]:
        split = self.cached[self._epoch % len(self.cached)] if self.cached else self.split
        if isinstance(split, InMemory):
            for indices in batches:
                yield split.take(indices.to(split.device))
            return
        if isinstance(split, Sampled):
            uniform = self._uniform(self._epoch if self.train else 0, split.draws)
            for indices in batches:
                yield split.sample(indices, uniform[indices])
            return
        yield from DataLoader(
            _Indexed(split),
            batch_sampler=[indices.tolist() for indices in batches],
            num_workers=self.workers,
            collate_fn=collate,
            prefetch_factor=4 if self.workers else None,
        )


class _Indexed(Dataset):
    """A split as the map-style data set that ``DataLoader`` wants."""

    def __init__(self, split: Split) -> None:
        self.split = split

    def __getitem__(self, index: int) -> Any:
        return self.split[index]
