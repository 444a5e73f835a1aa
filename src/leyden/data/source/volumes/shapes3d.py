"""Generated furniture as volumes, with silhouettes from some views: shapes from silhouettes without a download."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from leyden.core.seeding import mix
from leyden.data.columns import Volumes
from leyden.data.source import Source
from leyden.data.source.volumes.furniture import DRAWN, FURNITURE, furniture
from leyden.data.source.volumes.geometry import Parts, occupancy, silhouettes
from leyden.data.splits import STAGES, InMemory, Stage

View = int | str


class Shapes3d(Source):
    """Furniture of boxes and cylinders, whose place, turn and unequal parts are drawn, also such as no view shows.

    Sizes in ``held_out_sizes`` and the class ``held_out`` are in the test alone: its shapes of the other classes have
    these sizes, and training and validation have all others. A shape is a pure function of (seed, split, class, index).

    Args:
        size: voxels along a side: 16, 24, 32 or 64.
        silhouette_size: side of the silhouettes in pixels, a multiple of ``size``.
        views: of the silhouettes, each degrees around the vertical axis, or "top".
        classes: of table, chair, lamp, sofa and bed, those that there are; ``held_out`` comes besides.
        held_out: the class that is in the test alone; None: none is.
        train_each: shapes of each class for training.
        val_each: shapes of each class for validation.
        test_each: shapes of each class for the test.
        smallest: size of the smallest shapes.
        largest: size of the largest.
        held_out_sizes: bounds of the sizes that are in the test alone; None: all splits have all sizes.
        yaw: greatest turn of a shape to either side, degrees.
        place: share of the free room that a shape moves in.
        seed: of the shapes.

    Raises:
        ValueError: there is no such class or view, or a number is out of range.
    """

    produces: ClassVar[str] = "volumes"
    name = "shapes3d"

    def __init__(
        self,
        size: int = 16,
        silhouette_size: int = 32,
        views: Sequence[View] = (0, 90, "top"),
        classes: Sequence[str] = ("table", "chair", "lamp", "sofa"),
        held_out: str | None = "bed",
        train_each: int = 500,
        val_each: int = 50,
        test_each: int = 100,
        smallest: float = 0.6,
        largest: float = 0.95,
        held_out_sizes: Sequence[float] | None = (0.72, 0.82),
        yaw: float = 180.0,
        place: float = 1.0,
        seed: int = 0,
    ) -> None:
        _check(size, silhouette_size, views, classes, held_out)
        if min(train_each, val_each, test_each) < 1 or not 0.5 <= smallest < largest <= 1 or not 0 <= place <= 1:
            raise ValueError(
                "data.source: set one shape or more of each class, 0.5 <= smallest < largest <= 1, place from 0 to 1"
            )
        low, high = held_out_sizes if held_out_sizes is not None else (smallest, smallest)
        if not (smallest <= low <= high < largest):
            raise ValueError(
                f"data.source.held_out_sizes={held_out_sizes}: two sizes from smallest={smallest:g} to below "
                f"largest={largest:g}"
            )
        self.size, self.silhouette_size, self.views = size, silhouette_size, list(views)
        self.class_names = [*classes, *([held_out] if held_out else [])]
        self.held_out = held_out
        self.counts: dict[Stage, int] = {"train": train_each, "val": val_each, "test": test_each}
        self.sizes, self.between = (smallest, largest), (low, high)
        self.yaw, self.place, self.seed = yaw, place, seed
        self._made: dict[Stage, Volumes] = {}

    @property
    def view_names(self) -> list[str]:
        """A name per view, in the order of the silhouettes."""
        return [view_name(view) for view in self.views]

    def split(self, stage: Stage) -> InMemory[Volumes]:
        """Silhouettes, volumes, views and labels of a split, class after class."""
        if stage not in self._made:
            parts, labels = self.parts(stage)
            views = torch.arange(len(self.views)).expand(len(labels), -1).contiguous()
            seen = silhouettes(parts, self.silhouette_size, self.views)
            self._made[stage] = Volumes(seen, occupancy(parts, self.size), views, labels)
        return InMemory(self._made[stage])

    def parts(self, stage: Stage) -> tuple[Parts, Tensor]:
        """What the shapes of a split are made of, and their labels (N,)."""
        present = [name for name in self.class_names if stage == "test" or name != self.held_out]
        made = [self._class(name, stage) for name in present]
        labels = torch.arange(len(present)).repeat_interleave(self.counts[stage])
        return Parts(*(torch.cat(columns) for columns in zip(*made, strict=True))), labels

    def _class(self, name: str, stage: Stage) -> Parts:
        seed = mix(self.seed, STAGES.index(stage), list(FURNITURE).index(name))
        u = torch.rand(self.counts[stage], DRAWN + 1, generator=torch.Generator().manual_seed(seed))
        return furniture(name, self._sizes(u[:, 0], stage), u[:, 1:], self.yaw, self.place)

    def _sizes(self, u: Tensor, stage: Stage) -> Tensor:
        """Sizes (N,): in the test those held out, elsewhere the others."""
        (smallest, largest), (low, high) = self.sizes, self.between
        if stage == "test" and high > low:
            return low + u * (high - low)
        size = smallest + u * (largest - smallest - (high - low))
        return torch.where(size < low, size, size + (high - low))


def view_name(view: View) -> str:
    """How images call a view."""
    return {"0": "front", "90": "side", "top": "top"}.get(str(view), f"{view} degrees")


def _check(
    size: int, silhouette_size: int, views: Sequence[View], classes: Sequence[str], held_out: str | None
) -> None:
    if size not in (16, 24, 32, 64):
        raise ValueError(f"data.source.size={size}: volumes have 16, 24, 32 or 64 voxels along a side")
    if silhouette_size < 1 or silhouette_size % size:
        raise ValueError(
            f"data.source.silhouette_size={silhouette_size}: a multiple of data.source.size={size}, so that a pixel "
            "belongs to one voxel"
        )
    if wrong := [view for view in views if not (view == "top" or isinstance(view, int))]:
        raise ValueError(f"data.source.views: {wrong[0]!r} is neither whole degrees nor top")
    names = [*classes, *([held_out] if held_out else [])]
    if wrong_names := [name for name in names if name not in FURNITURE]:
        raise ValueError(f"data.source: no class {wrong_names[0]!r}; there are {', '.join(FURNITURE)}")
    if not views or not classes or len(set(names)) < len(names):
        raise ValueError("data.source: give a view and a class or more, and each class once; held_out is one besides")
