"""Episodes for few-shot learning: a few classes, a few examples of each to learn from and others to be tested on."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from leyden.core.seeding import mix
from leyden.data.columns import collate
from leyden.data.splits import InMemory, Split, labels_of

SHOWN = 5
"""Classes that an error lists."""


class Episode(NamedTuple):
    """N classes, numbered 0 .. N - 1 in this episode only, with K examples each to learn from and Q to classify."""

    support_images: Tensor
    """(N K, C, H, W) uint8, class by class."""
    support_labels: Tensor
    """(N K,) int64: 0 K times, 1 K times, ..."""
    query_images: Tensor
    """(N Q, C, H, W) uint8, class by class."""
    query_labels: Tensor
    """(N Q,) int64."""
    extra_images: Tensor
    """(N E, C, H, W) uint8, class by class: further examples to learn from; E = 0 but in a test of two numbers of
    shots."""
    extra_labels: Tensor
    """(N E,) int64."""

    def with_extra(self) -> "Episode":
        """The same episode with K + E examples of each class to learn from, and none besides."""
        images = torch.cat([self.support_images, self.extra_images])
        labels = torch.cat([self.support_labels, self.extra_labels])
        return Episode(images, labels, *self[2:4], self.extra_images[:0], self.extra_labels[:0])


class Episodes:
    """A split whose examples are episodes, drawn by the loader's numbers (``leyden.data.splits.Sampled``).

    Args:
        split: of ``LabelledImages`` of one size.
        count: episodes per epoch.
        ways: N, classes per episode.
        shots: K, support examples per class.
        queries: Q, query examples per class.
        names: of the classes, by label, for errors.
        rotations: each class turned by 90, 180 and 270 degrees is a class of its own.
        extra: E, further support examples per class, drawn last: what else there is in an episode stays as it is.

    Raises:
        ValueError: there are too few classes, or a class has too few examples (``episode_problem``).
    """

    draws = 2

    def __init__(
        self,
        split: Split,
        count: int,
        ways: int,
        shots: int,
        queries: int,
        names: list[str],
        rotations: bool = False,
        extra: int = 0,
    ) -> None:
        self.split, self.count = split, count
        self.ways, self.shots, self.queries, self.extra = ways, shots, queries, extra
        self.turns = 4 if rotations else 1
        labels = labels_of(split).cpu()
        if problem := episode_problem(labels, ways, shots + extra, queries, names, self.turns):
            raise ValueError(problem)
        self.members = [(labels == label).nonzero().flatten() for label in labels.unique()]

    def __len__(self) -> int:
        return self.count

    def sample(self, indices: Tensor, u: Tensor) -> Episode:
        """The episode ``indices`` (1,), drawn by ``u`` (1, 2).

        An episode needs more random numbers than one would hand over: two of them make a seed.
        """
        assert len(indices) == 1, "a batch is one episode"
        generator = torch.Generator().manual_seed(mix(*(int(number * 2**24) for number in u[0].tolist())))
        classes = torch.randperm(len(self.members) * self.turns, generator=generator)[: self.ways]
        each = self.shots + self.queries + self.extra
        chosen = []
        for number in classes.tolist():
            members = self.members[number // self.turns]
            chosen.append(members[torch.randperm(len(members), generator=generator)[:each]])
        images = self._images(torch.cat(chosen)).unflatten(0, (self.ways, each))
        if self.turns > 1:
            turns = (classes % self.turns).tolist()
            images = torch.stack([part.rot90(k, (2, 3)) for part, k in zip(images, turns, strict=True)])
        labels = torch.arange(self.ways, device=images.device)[:, None].expand(-1, each)
        ends = [self.shots, self.queries, self.extra]
        parts = zip(images.split(ends, 1), labels.split(ends, 1), strict=True)
        return Episode(*(column.flatten(0, 1) for part in parts for column in part))

    def _images(self, indices: Tensor) -> Tensor:
        if isinstance(self.split, InMemory):
            return self.split.take(indices.to(self.split.device)).images
        return collate([self.split[i] for i in indices.tolist()]).images


def episode_problem(
    labels: Tensor, ways: int, shots: int, queries: int, names: Sequence[str], turns: int = 1
) -> str | None:
    """Why no episode can be made of examples with these labels (N,), and the cure; None where it can."""
    found, counts = labels.unique(return_counts=True)
    each = shots + queries
    few = [f"{names[int(label)]!r} has {count}" for label, count in zip(found, counts, strict=True) if count < each]
    if few:
        listed = ", ".join(few[:SHOWN]) + (f", and {len(few) - SHOWN} more" if len(few) > SHOWN else "")
        return (
            f"an episode takes {shots} + {queries} examples (data.shots or data.test_shots, data.queries) of each of "
            f"its classes, but of {len(found)} classes {listed}: lower these numbers, add examples, or move classes "
            "with so few away"
        )
    if len(found) * turns < ways:
        return (
            f"an episode of {ways} classes needs as many, there are {len(found) * turns}: lower data.ways or "
            "data.train_ways, or take more classes"
        )
    return None
