"""The DataModule of few-shot learning: episodes of images whose classes differ in training, validation and test."""

from typing import ClassVar, Literal

import torch
from torch.utils.data import ConcatDataset

from leyden.core.seeding import mix
from leyden.data.batches.episodes import Episodes, episode_problem
from leyden.data.columns import LabelledImages
from leyden.data.images import ImageDataModule
from leyden.data.loader import Loader
from leyden.data.source import ImageSource
from leyden.data.specs import PixelSpec
from leyden.data.splits import STAGES, Split, Stage, Subset, labels_of


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
        test_shots: K + E, examples to learn from per class in a second accuracy of the test, more than ``shots``; null:
            there is none.
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
        test_shots: int | None = None,
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
        if test_shots is not None and test_shots <= shots:
            raise ValueError(f"data.test_shots={test_shots} should be more than data.shots={shots}; null for none")
        self.val_classes, self.test_classes = val_classes, test_classes
        self.ways, self.train_ways = ways, train_ways or ways
        self.shots, self.queries, self.rotations = shots, queries, rotations
        self.extra = 0 if test_shots is None else test_shots - shots
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
            self.extra if stage == "test" else 0,
        )
        return Loader(
            episodes, 1, train=train and not self.overfits, seed=self.seed, limit=self.taken if train else 1.0
        )

    def setup(self, stage: str) -> None:
        """Says before a training all that is wrong with any of the three parts, also with the test.

        Raises:
            ValueError: there are too few classes, or too few examples of one.
        """
        if stage == "fit":
            problems = {part: self._problem(part) for part in STAGES}
            if any(problems.values()):
                told = "; ".join(f"in {part} {problem}" for part, problem in problems.items() if problem)
                raise ValueError(f"{self.source.name}: {told}")
        super().setup(stage)

    def _problem(self, stage: Stage) -> str | None:
        train = stage == "train"
        ways, turns = (self.train_ways, 4 if self.rotations else 1) if train else (self.ways, 1)
        shots = self.shots + (self.extra if stage == "test" else 0)
        return episode_problem(
            labels_of(self.split(stage)).cpu(), ways, shots, self.queries, self.source.class_names, turns
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
                    raise ValueError(
                        f"{self.source.name}: the class {self.source.class_names[label]!r} is in {seen[label]} and in "
                        f"{stage}, but few-shot learning is tested on classes that were never seen: {self._cure()}"
                    )
                seen[label] = stage

    def _cure(self) -> str:
        """What to do with classes that are in all three parts."""
        count = len(self.source.class_names)
        if count < 3 * self.least_classes:
            return (
                f"{count} classes are too few for that, as each of training, validation and test takes two or more. Of "
                "few classes, start from a network that knows others: leyden run experiment=own_images "
                "data.source.root=FOLDER learns them from ImageNet's weights; or show your examples to a network that "
                "was trained on episodes of other images: leyden predict RECORD --support FOLDER --input FOLDER"
            )
        ways = min(self.ways, count // 3)
        kept = max(ways, count // 5)
        keys = f"data.val_classes={kept} data.test_classes={kept}" + (f" data.ways={ways}" if ways < self.ways else "")
        return f"of {count} classes keep some for validation and test, as in {keys}, or name them in lists"


def _classes(wanted: int | list[str] | None, names: list[str], key: str) -> list[str]:
    if isinstance(wanted, int):
        return names[len(names) - wanted :]
    unknown = [name for name in wanted or [] if name not in names]
    if unknown:
        raise ValueError(f"data.{key}: there is no class {unknown[0]!r} left, among {names}")
    return list(wanted or [])
