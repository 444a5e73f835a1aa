"""Images with several targets each: classes and numbers, by name."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from leyden.core.seeding import mix
from leyden.core.start.nearest import nearest
from leyden.data.images import ImageDataModule
from leyden.data.source import ImageSource
from leyden.data.source.targets import HasTargets, Target
from leyden.data.specs import PixelSpec
from leyden.data.splits import InMemory, Resized, Split, Stage, Unlabelled


class TaskImages(NamedTuple):
    """Images with the targets of several tasks."""

    images: Tensor
    """(B, C, S, S) uint8."""
    classes: Tensor
    """(B, K) int64, a column for each task of classes in the order of ``spec["tasks"]``; -1 where unknown."""
    numbers: Tensor
    """(B, R) float32, a column for each task of numbers, in the targets' own units; nan where unknown."""


class TasksSpec(PixelSpec):
    """What a model of several tasks must know of its data."""

    tasks: dict[str, list[str]]
    """The classes of each task by its name; none for a number."""
    units: dict[str, list[float]]
    """Mean and standard deviation of each task of numbers over the training images."""


class WithTargets(Unlabelled):
    """Images with several targets, decoded one by one."""

    def __init__(self, split: Split, classes: Tensor, numbers: Tensor) -> None:
        super().__init__(split)
        self.classes, self.numbers = classes, numbers

    def __getitem__(self, index: int) -> TaskImages:  # type: ignore[override]
        return TaskImages(self.split[index].images, self.classes[index], self.numbers[index])


class MultiTaskImages(ImageDataModule):
    """Batches of images with several targets (``TaskImages``).

    Args:
        source: images with several targets (``leyden.data.source.targets.HasTargets``).
        targets: names of those to learn, in this order; null: all.
        noise: by target, the share of the training images whose target is that of another one, drawn by ``seed``: a
            task that cannot be learnt well. Validation and test keep theirs.
        image_size: side of the square images in pixels; null keeps the source's own.
        batch_size: training examples per step and device.
        eval_batch_size: examples per validation or test batch.
        in_memory: "auto" decodes once into memory where there is room; true and false force it.
        workers: processes that decode where the data is not in memory.
        seed: of the order and of the noise.

    Raises:
        ValueError: a source of one target, an unknown or a repeated one, noise outside of 0 to 1, or (from ``setup``) a
            target that is the same for all training images.
    """

    def __init__(
        self,
        source: ImageSource,
        targets: list[str] | None = None,
        noise: dict[str, float] | None = None,
        image_size: int | None = None,
        batch_size: int = 64,
        eval_batch_size: int = 256,
        in_memory: Literal["auto"] | bool = "auto",
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(source, image_size, batch_size, eval_batch_size, in_memory, workers, seed)
        if not isinstance(source, HasTargets):
            raise ValueError(
                f"{source.name} has one target per image, its class: choose a source of several, such as "
                "data/source=coloured_digits, or data/source=image_table data.source.file=TABLE.csv"
            )
        self.wanted, self.noise = targets, noise or {}
        if targets is not None and len(set(targets)) < max(1, len(targets)):
            raise ValueError(f"data.targets={targets}: one or more, each once")
        for name, share in self.noise.items():
            if not 0 <= share <= 1:
                raise ValueError(f"data.noise.{name}={share}: a share of the images, 0 to 1")

    @property
    def spec(self) -> TasksSpec:  # type: ignore[override]
        """What the model must know; valid after ``prepare_data``."""
        found = self.targets("train")
        units = {name: _unit(target) for name, target in found.items() if not target.class_names}
        return TasksSpec(
            tasks={name: target.class_names for name, target in found.items()},
            units=units,
            channels=self.channels,
            image_size=self.image_size,
        )

    def setup(self, stage: str) -> None:
        """Refuses, before a training, targets from which nothing can be learnt."""
        super().setup(stage)
        for name, target in self.targets("train").items():
            values = target.values[target.known]
            if len(values.unique()) < 2:
                what = "no training image has it" if not len(values) else "all training images have the same"
                others = ",".join(other for other in self.targets("train") if other != name)
                raise ValueError(f"{self.source.name}: nothing can be learnt of the target {name!r}: {what}; leave it "
                                 f"out: data.targets=[{others}]")  # fmt: skip

    def targets(self, stage: Stage) -> dict[str, Target]:
        """The targets that are learnt, by name, as training has them: with noise.

        Raises:
            ValueError: the source has no target of that name.
        """
        assert isinstance(self.source, HasTargets)
        found = self.source.targets(stage)
        for name in [*(self.wanted or []), *self.noise]:
            if name not in found:
                key = "data.targets" if name in (self.wanted or []) else "data.noise"
                raise ValueError(f"{key}: {self.source.name} has no target {name!r}{nearest(name, found)}")
        chosen = {name: found[name] for name in self.wanted or found}
        if stage != "train":
            return chosen
        return {name: self._noisy(name, target) if name in self.noise else target for name, target in chosen.items()}

    def examples(self, stage: Stage) -> Split:
        """Images with the targets that are learnt."""
        split, (classes, numbers) = self.source.split(stage), stacked(self.targets(stage))
        if isinstance(split, InMemory):
            return InMemory(TaskImages(split.columns.images, classes, numbers))
        return WithTargets(split, classes, numbers)

    def content(self, split: Split) -> Iterator[bytes]:
        """Bytes that tell a split from others: its images and their targets."""
        yield from super().content(split)
        inner = split.split if isinstance(split, Resized) else split
        holder = inner.columns if isinstance(inner, InMemory) else inner
        assert isinstance(holder, TaskImages | WithTargets)
        yield from (column.cpu().numpy().tobytes() for column in (holder.classes, holder.numbers))

    def _noisy(self, name: str, target: Target) -> Target:
        """A share of the values put in place of others, all of them real ones."""
        generator = torch.Generator().manual_seed(mix(self.seed, *name.encode()))
        count = len(target.values)
        changed = torch.randperm(count, generator=generator)[: round(self.noise[name] * count)]
        values = target.values.clone()
        values[changed] = target.values[changed[torch.randperm(len(changed), generator=generator)]]
        return target._replace(values=values)


def stacked(targets: Mapping[str, Target]) -> tuple[Tensor, Tensor]:
    """The columns of ``TaskImages``: classes (N, K) int64 and numbers (N, R) float32."""
    count = len(next(iter(targets.values())).values)
    classes = [target.values for target in targets.values() if target.class_names]
    numbers = [target.values for target in targets.values() if not target.class_names]
    return _columns(classes, count, torch.int64), _columns(numbers, count, torch.float32)


def _columns(columns: Sequence[Tensor], count: int, dtype: torch.dtype) -> Tensor:
    return torch.stack(list(columns), 1).to(dtype) if columns else torch.empty(count, 0, dtype=dtype)


def _unit(target: Target) -> list[float]:
    """Mean and standard deviation of what is known; 0 and 1 where nothing varies."""
    values = target.values[target.known].double()
    spread = float(values.std(correction=0)) if len(values) else 0.0
    return [float(values.mean()) if len(values) else 0.0, spread or 1.0]
