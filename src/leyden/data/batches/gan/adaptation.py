"""Images of a source domain and, perhaps few, of a target domain, to which a generator of the first is adapted."""

from collections.abc import Sequence
from typing import Literal

import torch

from leyden.core.seeding import mix
from leyden.core.splits import few_per_class
from leyden.data.batches.gan.unpaired import LEAST, Domain, Unpaired, UnpairedImages
from leyden.data.loader import Loader
from leyden.data.paired_loader import PairedLoader
from leyden.data.source import ImageSource
from leyden.data.specs import ImageSpec
from leyden.data.splits import Split, Stage, labels_of, select, unlabelled

BATCHES = 8
"""A round of the target's images has so many batches at least: few images are repeated within it."""


class AdaptationImages(UnpairedImages):
    """Batches of two domains (``Unpaired``): A, the source's, for translators; B, the target's, few or many.

    Args:
        source: domain A, on which a generator has learnt or learns.
        target: domain B, to which it is adapted; brought to the size of A.
        shots: training images of B in all, of each class as many as of any other where it has classes, drawn by
            ``seed``; null takes all. Fewer are among more.
        source_classes: names of A's classes that are taken; null takes all.
        target_classes: names of B's classes, likewise.
        image_size: side of the square images in pixels; null keeps A's own.
        batch_size: images per step and device of each domain.
        eval_batch_size: images of each domain per validation or test batch.
        in_memory: "auto" decodes once into memory where there is room; true and false force it.
        workers: processes that decode where the data is not in memory, for each domain.
        seed: of the shots and the orders.

    Raises:
        ValueError: a source does not produce images, there is no such class, a target of one training image, or too few
            images to test.
    """

    def __init__(
        self,
        source: ImageSource,
        target: ImageSource,
        shots: int | None = None,
        source_classes: Sequence[str] | None = None,
        target_classes: Sequence[str] | None = None,
        image_size: int | None = None,
        batch_size: int = 16,
        eval_batch_size: int = 256,
        in_memory: Literal["auto"] | bool = "auto",
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(source, target, image_size, batch_size, eval_batch_size, in_memory, workers, seed)
        if shots is not None and shots < 2:
            raise ValueError(f"data.shots={shots}: 2 or more, one image shows no variety; null takes all")
        self.shots = shots
        self.chosen: dict[Domain, Sequence[str] | None] = {"a": source_classes, "b": target_classes}
        self._all_targets: dict[Stage, Split] = {}

    def setup(self, stage: str) -> None:
        """Refuses domains that are too small to learn from or to be evaluated, before anything is trained.

        Raises:
            ValueError: one training image of the target, fewer than six test images of a domain, or as in
                ``DataModule.setup``.
        """
        needed: dict[tuple[Domain, Stage], int] = {("a", "train"): LEAST, ("a", "test"): LEAST, ("b", "test"): LEAST}
        for (domain, each), least in {**needed, ("b", "train"): 2}.items():
            if (count := len(self.domain(domain, each))) < least:
                name = (self.target if domain == "b" else self.source).name
                raise ValueError(
                    f"domain {domain.upper()}, {name}, has {count} image{'s' * (count != 1)} to {each}: "
                    f"give it {least} or more"
                )
        super(UnpairedImages, self).setup(stage)  # its own check asks for more target images

    @property
    def spec(self) -> ImageSpec:
        """What the model must know, with the classes of A that are taken; valid after ``prepare_data``."""
        return ImageSpec(class_names=self.names("a"), channels=self.channels, image_size=self.image_size)

    def names(self, domain: Domain) -> list[str]:
        """A domain's classes that are taken; none where it has no classes.

        Raises:
            ValueError: one was asked for that it has not.
        """
        source, chosen = (self.source if domain == "a" else self.target), self.chosen[domain]
        known = list(source.class_names)
        if unknown := [name for name in chosen or [] if str(name) not in known]:
            key = "source_classes" if domain == "a" else "target_classes"
            has = ", ".join(known) or "no classes"
            raise ValueError(f"data.{key}: no class {unknown[0]!r}, {source.name} has {has}")
        return known if chosen is None else [str(name) for name in chosen]

    def examples(self, stage: Stage) -> Split:
        """A's examples of the classes that are taken."""
        return self._of_classes("a", self.source.split(stage))

    def domain(self, domain: Domain, stage: Stage) -> Split:
        """A domain's examples of a stage at the model's size, with labels where there are classes; B's few to train."""
        if domain == "a" or stage != "train" or self.shots is None:
            return self.split(stage) if domain == "a" else self.every_target(stage)
        if stage not in self._targets:
            split = self.every_target(stage)
            names, labelled = self.names("b"), bool(self.names("b"))
            labels = labels_of(split).cpu() if labelled else torch.zeros(len(split), dtype=torch.int64)
            names = names or [self.target.name]
            each = -(-self.shots // len(names))
            picked = few_per_class(labels, each, mix(self.seed, 2), names, "data.shots per class")
            # Class after class: a round over all classes first, so that a number that does not divide leaves out none.
            picked = picked.view(len(names), each).T.flatten()[: self.shots]
            few = select(split, picked, labels[picked])
            self._targets[stage] = few if labelled else unlabelled(few)
        return self._targets[stage]

    def every_target(self, stage: Stage) -> Split:
        """All of B's images of a stage, also those that are not among the shots: for evaluations alone."""
        if stage not in self._all_targets:
            self._all_targets[stage] = self.prepared(self._of_classes("b", self.target.split(stage)))
        return self._all_targets[stage]

    def loader(self, stage: Stage) -> PairedLoader:
        """Batches of both domains; few target images are repeated within a round."""
        pair = super().loader(stage)
        if stage != "train" or self.overfits:
            return pair
        split = self.domain("b", "train")
        if (rounds := -(-BATCHES * self.batch_size // len(split))) > 1:
            repeated = torch.arange(len(split)).repeat(rounds)
            split = select(split, repeated, torch.zeros(len(repeated), dtype=torch.int64))
        second = Loader(
            self.on_device(unlabelled(split)), self.batch_size, train=True, seed=mix(self.seed, 1), workers=self.workers
        )
        return PairedLoader(pair.first, second, Unpaired)

    def _of_classes(self, domain: Domain, split: Split) -> Split:
        if self.chosen[domain] is None:
            return split
        known = list((self.source if domain == "a" else self.target).class_names)
        place = torch.full((len(known),), -1)
        names = self.names(domain)
        place[[known.index(name) for name in names]] = torch.arange(len(names))
        labels = place[labels_of(split).cpu()]
        kept = (labels >= 0).nonzero().flatten()
        return select(split, kept, labels[kept])
