"""Episodes for few-shot learning: a few classes, a few examples of each to learn from and others to be tested on."""

from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset

from leyden.core.seeding import mix
from leyden.data.columns import LabelledImages, collate
from leyden.data.images import ImageDataModule
from leyden.data.loader import Loader
from leyden.data.source import ImageSource
from leyden.data.specs import PixelSpec
from leyden.data.splits import STAGES, InMemory, Split, Stage, Subset, labels_of


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

    Raises:
        ValueError: there are too few classes, or a class has fewer than K + Q examples.
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
    ) -> None:
        self.split, self.count = split, count
        self.ways, self.shots, self.queries = ways, shots, queries
        self.turns = 4 if rotations else 1
        labels = labels_of(split).cpu()
        self.members = [(labels == label).nonzero().flatten() for label in labels.unique()]
        few = [(label, len(found)) for label, found in zip(labels.unique(), self.members, strict=True)]
        few = [(label, have) for label, have in few if have < shots + queries]
        if few:
            raise ValueError(
                f"the class {names[int(few[0][0])]!r} has {few[0][1]} examples, an episode takes {shots} + {queries} "
                "of each class: lower data.shots or data.queries"
            )
        if len(self.members) * self.turns < ways:
            raise ValueError(
                f"an episode of {ways} classes needs as many, there are {len(self.members)}: lower data.ways "
                "(or data.train_ways), or take more classes"
            )

    def __len__(self) -> int:
        return self.count

    def sample(self, indices: Tensor, u: Tensor) -> Episode:
        """The episode ``indices`` (1,), drawn by ``u`` (1, 2).

        An episode needs more random numbers than one would hand over: two of them make a seed.
        """
        assert len(indices) == 1, "a batch is one episode"
        generator = torch.Generator().manual_seed(mix(*(int(number * 2**24) for number in u[0].tolist())))
        classes = torch.randperm(len(self.members) * self.turns, generator=generator)[: self.ways]
        each = self.shots + self.queries
        chosen = []
        for number in classes.tolist():
            members = self.members[number // self.turns]
            chosen.append(members[torch.randperm(len(members), generator=generator)[:each]])
        images = self._images(torch.cat(chosen)).unflatten(0, (self.ways, each))
        if self.turns > 1:
            turns = (classes % self.turns).tolist()
            images = torch.stack([part.rot90(k, (2, 3)) for part, k in zip(images, turns, strict=True)])
        labels = torch.arange(self.ways, device=images.device)[:, None].expand(-1, each)
        support, query = slice(None, self.shots), slice(self.shots, None)
        return Episode(
            images[:, support].flatten(0, 1),
            labels[:, support].flatten(),
            images[:, query].flatten(0, 1),
            labels[:, query].flatten(),
        )

    def _images(self, indices: Tensor) -> Tensor:
        if isinstance(self.split, InMemory):
            return self.split.take(indices.to(self.split.device)).images
        return collate([self.split[i] for i in indices.tolist()]).images


class EpisodeImages(ImageDataModule):
    """Batches of one ``Episode`` each; the classes of training, validation and test are different ones.

    A training episode is a pure function of (seed, epoch, index), one of validation or test of (seed, index): all
    models of one seed are tested on the same ones.

    Args:
        source: images with classes. Its three splits are taken as they are where no class is in two of them;
            otherwise ``val_classes`` and ``test_classes`` say which classes are whose, and each class brings its
            examples of all three splits.
        val_classes: the classes of validation: a list of names, or so many, those before the test's; null: the source's
            own.
        test_classes: the classes of the test: a list of names, or the last so many; null: the source's own.
        ways: N, classes per validation or test episode.
        train_ways: classes per training episode; null: ``ways``. More than ``ways`` learns better (Snell et al. 2017).
        shots: K, examples to learn from per class.
        queries: Q, examples to classify per class.
        rotations: in training each class turned by 90, 180 and 270 degrees is a class of its own, as is usual for
            Omniglot; wrong where a turned image is of the same class.
        episodes: per training epoch.
        eval_episodes: for validation, and for the test.
        image_size: side of the square images in pixels; null keeps the source's own.
        in_memory: "auto" decodes once into memory where there is room; true and false force it.
        seed: of the episodes.

    Raises:
        ValueError: from ``split`` and the loaders: splits share a class, there is no such class, there are too few of
            them, or a class has too few examples.
    """

    least_classes: ClassVar[int] = 2

    def __init__(
        self,
        source: ImageSource,
        val_classes: int | list[str] | None = None,
        test_classes: int | list[str] | None = None,
        ways: int = 5,
        train_ways: int | None = None,
        shots: int = 1,
        queries: int = 5,
        rotations: bool = False,
        episodes: int = 200,
        eval_episodes: int = 200,
        image_size: int | None = None,
        in_memory: Literal["auto"] | bool = "auto",
        seed: int = 0,
    ) -> None:
        super().__init__(source, image_size, batch_size=1, eval_batch_size=1, in_memory=in_memory, seed=seed)
        if (val_classes is None) != (test_classes is None):
            raise ValueError("set both data.val_classes and data.test_classes, or neither")
        self.val_classes, self.test_classes = val_classes, test_classes
        self.ways, self.train_ways = ways, train_ways or ways
        self.shots, self.queries, self.rotations = shots, queries, rotations
        self.episodes, self.eval_episodes = episodes, eval_episodes

    @property
    def spec(self) -> PixelSpec:  # type: ignore[override]  # a model of episodes has no classes of its own
        """What the model must know; valid after ``prepare_data``."""
        return PixelSpec(channels=self.source.channels, image_size=self.image_size)

    def examples(self, stage: Stage) -> Split:
        """All images of the classes of a stage, under the source's own labels."""
        if self.val_classes is None:
            self._refuse_shared_classes()
            return self.source.split(stage)
        names = list(self.source.class_names)
        wanted = torch.tensor([names.index(name) for name in self.class_names(stage)])
        splits = [self.source.split(part) for part in STAGES]
        labels = torch.cat([labels_of(split) for split in splits])
        chosen = torch.isin(labels, wanted).nonzero().flatten()
        return Subset(ConcatDataset(splits), chosen, labels[chosen])  # type: ignore[arg-type]

    def class_names(self, stage: Stage) -> list[str]:
        """The classes of a stage by ``val_classes`` and ``test_classes``; training has the rest."""
        names = list(self.source.class_names)
        test = _classes(self.test_classes, names, "test_classes")
        val = _classes(self.val_classes, [name for name in names if name not in test], "val_classes")
        return {"train": [name for name in names if name not in val + test], "val": val, "test": test}[stage]

    def loader(self, stage: Stage) -> Loader:
        """Episodes of a stage."""
        train = stage == "train"
        episodes = Episodes(
            self.on_device(self.split(stage)),
            self.episodes if train else self.eval_episodes,
            self.train_ways if train else self.ways,
            self.shots,
            self.queries,
            list(self.source.class_names),
            self.rotations and train,
        )
        return Loader(
            episodes, 1, train=train and not self.overfits, seed=self.seed, limit=self.taken if train else 1.0
        )

    def support(self) -> tuple[LabelledImages, list[str]]:
        """K examples of each class of the test, drawn by ``seed``, numbered from 0 in the order of the names returned.

        What ``predict`` compares new images with; no training sees them.
        """
        split = self.split("test")
        labels = labels_of(split).cpu()
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(mix(self.seed, 5)))
        places = labels.unique()
        picked = torch.cat([order[labels[order] == place][: self.shots] for place in places])
        images = torch.stack([split[i].images.cpu() for i in picked.tolist()])
        names = [self.source.class_names[place] for place in places.tolist()]
        return LabelledImages(images, torch.searchsorted(places, labels[picked])), names

    def _refuse_shared_classes(self) -> None:
        seen: dict[int, Stage] = {}
        for stage in STAGES:
            for label in labels_of(self.source.split(stage)).unique().tolist():
                if label in seen:
                    count = len(self.source.class_names)
                    cure = "set data.val_classes and data.test_classes to how many, or which, are kept for them"
                    if count < 3 * self.least_classes:
                        cure = f"{count} classes are too few for that: it takes two or more for each of the three"
                    raise ValueError(
                        f"{self.source.name}: the class {self.source.class_names[label]!r} is in {seen[label]} and in "
                        f"{stage}, but few-shot learning is tested on classes that were never seen: {cure}"
                    )
                seen[label] = stage


def _classes(wanted: int | list[str] | None, names: list[str], key: str) -> list[str]:
    if isinstance(wanted, int):
        return names[len(names) - wanted :]
    unknown = [name for name in wanted or [] if name not in names]
    if unknown:
        raise ValueError(f"data.{key}: there is no class {unknown[0]!r} left, among {names}")
    return list(wanted or [])
