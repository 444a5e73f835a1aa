"""Two domains of rows, or all pairs of several: labelled source rows, target rows whose labels no model sees."""

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any, ClassVar, Literal, NamedTuple

import torch

from leyden.core.seeding import mix
from leyden.core.splits import stratified
from leyden.data.batches.domain_pair import Pair, few_of_each
from leyden.data.columns import LabelledRows, Rows
from leyden.data.loader import Loader
from leyden.data.module import DataModule, hashed
from leyden.data.paired_loader import PairedLoader, SideBySide
from leyden.data.source.rows.row_source import RowSource
from leyden.data.specs import TableSpec
from leyden.data.splits import InMemory, Split, Stage

Labels = Literal["source", "target"]


class RowDomains(NamedTuple):
    """A training batch of two domains of rows."""

    source: LabelledRows
    target: Rows
    """As many rows as of the source; their labels are not here."""


class DomainRowsSpec(TableSpec):
    """What a model must know of rows of two domains."""

    tasks: list[str]
    """A name for each pair of domains."""


class DomainRows(DataModule):
    """Training rows of two domains, validation on the source, test on the target.

    The labels of the target's training rows are dropped before a model sees them, but those that ``target_labels``
    buys; only the test counts the others.

    Args:
        source: the domain with labels.
        target: the domain without. Its classes are found by their names among those of the source; it may lack some.
        labels: "source", or "target" for the ceiling: a model learns from labelled rows of the target itself, its
            training split, or, under the protocol "whole", one half, and the other half is tested.
        target_labels: so many training examples of the target per class are labelled, drawn by the seed; for techniques
            that need a few.
        batch_size: rows of each domain per step; what is fitted at once does not use it.
        eval_batch_size: rows per validation or test batch.
        seed: of what is drawn.

    Raises:
        ValueError: sources of something else than rows, or another word for ``labels``.
    """

    consumes: ClassVar[str] = "rows"
    source: RowSource

    def __init__(
        self,
        source: RowSource,
        target: RowSource,
        labels: Labels = "source",
        target_labels: int = 0,
        batch_size: int = 64,
        eval_batch_size: int = 1024,
        seed: int = 0,
    ) -> None:
        super().__init__(source, batch_size, eval_batch_size, 0, seed)
        self.check(target)
        if labels not in ("source", "target"):
            raise ValueError(f"data.labels={labels!r}: there are source, target")
        self.labels, self.target_labels = labels, target_labels
        self.domains: list[tuple[RowSource, RowSource]] = [(source, target)]
        self._pairs: list[Pair] | None = None

    def prepare_data(self) -> None:
        """Reads all domains, and refuses what cannot be adapted.

        Raises:
            ValueError: fewer than two classes, a class that the source has not, or features of another number.
        """
        for domain in dict.fromkeys(domain for pair in self.domains for domain in pair):
            domain.prepare()
            domain.log_tally()
        for source, target in self.domains:
            check_classes(source, target)
            if len(source.feature_names) != len(target.feature_names):
                raise ValueError(
                    f"{source.name} has {len(source.feature_names)} features, "
                    f"{target.name} {len(target.feature_names)}: "
                    "a map between domains needs the same ones, in the same order; choose data.target that has them"
                )

    @property
    def validates(self) -> bool:
        """Whether there are rows to validate on."""
        return any(len(self._of(domains, "val")) for domains in self.domains)

    @property
    def spec(self) -> DomainRowsSpec:
        """What the model must know; valid after ``prepare_data``."""
        names = [f"{source.name}_to_{target.name}" for source, target in self.domains]
        return DomainRowsSpec(
            class_names=list(self.source.class_names), feature_names=list(self.source.feature_names), tasks=names
        )

    @property
    def fingerprint(self) -> str:
        """A short hash of the training rows of all domains; validation may be empty here."""
        splits = [split for pair in self.pairs() for split in (pair.source, pair.target)]
        return hashed(part for split in splits for part in self.content(split))

    def content(self, split: Split) -> Iterator[bytes]:
        """Bytes of the rows and, where they have them, the labels."""
        assert isinstance(split, InMemory)
        for column in split.columns:
            yield column.numpy().tobytes()

    def examples(self, stage: Stage) -> Split:
        """Labelled rows of the first pair: the source's in training and validation, the target's in the test."""
        return self._of(self.domains[0], stage)

    def pairs(self) -> list[Pair]:
        """The tasks, one for each pair of domains."""
        if self._pairs is None:
            self._pairs = [self._pair(*domains) for domains in self.domains]
        return self._pairs

    def test_splits(self) -> list[Split]:
        """The labelled test rows of each pair's target."""
        return [self._of(domains, "test") for domains in self.domains]

    def loader(self, stage: Stage) -> Any:
        """Batches of a stage; in validation and test a loader for each pair, none where nothing validates.

        A training batch is ``RowDomains``, of several pairs a tuple with one of each.
        """
        if stage == "train":
            loaders = [self._both(pair, mix(self.seed, 11 * number)) for number, pair in enumerate(self.pairs())]
            return loaders[0] if len(loaders) == 1 else SideBySide(loaders)
        splits = [self._of(domains, stage) for domains in self.domains]
        return [Loader(split, self.eval_batch_size, train=False, seed=self.seed) for split in splits if len(split)]

    def _both(self, pair: Pair, seed: int) -> PairedLoader:
        """Batches of both domains of a pair."""
        splits = ((pair.source, seed), (pair.target, mix(seed, 4)))
        first, second = (Loader(split, self.batch_size, train=not self.overfits, seed=own) for split, own in splits)
        return PairedLoader(first, second, RowDomains)

    def _of(self, domains: tuple[RowSource, RowSource], stage: Stage) -> InMemory[LabelledRows]:
        source, target = domains
        if self.labels == "target":
            part: Stage = "train" if stage == "test" and target.protocol == "whole" else stage
            own = _renamed(target.split(part), source, target)
            if target.protocol != "whole" or stage == "val":
                return own
            halves = stratified(own.columns.labels, (0.5, 0.5), self.seed)
            return InMemory(own.take(halves[stage == "test"]))
        return source.split(stage) if stage != "test" else _renamed(target.split("test"), source, target)

    def _pair(self, source: RowSource, target: RowSource) -> Pair:
        train = _renamed(target.split("train"), source, target)
        few = None
        if self.target_labels:
            if target.protocol == "whole":
                raise ValueError(
                    f"data.target_labels={self.target_labels}: under the protocol whole these rows would be tested, "
                    "too; set data.target.protocol=split"
                )
            few = InMemory(train.take(few_of_each(train.columns.labels, self.target_labels, mix(self.seed, 7))))
        unlabelled = InMemory(Rows(train.columns.rows))
        return Pair(f"{source.name}_to_{target.name}", self._of((source, target), "train"), unlabelled, few)


class DomainPairs(DomainRows):
    """Every ordered pair of several domains: N domains give N (N - 1) tasks, each fitted and tested by itself.

    Args:
        source: of one of the domains.
        domains: the words that name all of them, as ``source.domain`` names one.
        labels: as of ``DomainRows``.
        batch_size: rows of each domain per step; what is fitted at once does not use it.
        eval_batch_size: rows per test batch.
        seed: of what is drawn.

    Raises:
        ValueError: fewer than two domains, or what ``DomainRows`` refuses.
    """

    def __init__(
        self,
        source: RowSource,
        domains: Sequence[str],
        labels: Labels = "source",
        batch_size: int = 64,
        eval_batch_size: int = 1024,
        seed: int = 0,
    ) -> None:
        if len(set(domains)) < 2:
            raise ValueError(f"data.domains={list(domains)}: a pair needs two different ones or more")
        self.check(source)
        found = [source.of_domain(domain) for domain in domains]
        super().__init__(found[0], found[1], labels, 0, batch_size, eval_batch_size, seed)
        self.domains = list(permutations(found, 2))


def check_classes(source: Any, target: Any) -> None:
    """Refuses two sources whose classes cannot be adapted to one another.

    Raises:
        ValueError: the source has fewer than two classes, or the target one that the source has not.
    """
    names, others = list(source.class_names), list(target.class_names)
    if len(names) < 2:
        raise ValueError(
            f"{source.name} has the classes {names}: a classifier needs two or more; choose another source"
        )
    unknown = [name for name in others if name not in names]
    if unknown:
        none = "; they have no class in common" if len(unknown) == len(others) else ""
        raise ValueError(
            f"the target {target.name} has a class {unknown[0]!r} that the source {source.name} has not: it has "
            f"{names}{none}; rename the target's classes, or leave out those that the source lacks"
        )


def _renamed(split: InMemory[LabelledRows], source: RowSource, target: RowSource) -> InMemory[LabelledRows]:
    """The target's rows under the source's numbers of the classes."""
    place = torch.tensor([list(source.class_names).index(name) for name in target.class_names])
    return InMemory(split.columns._replace(labels=place[split.columns.labels]))
