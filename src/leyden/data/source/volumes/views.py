"""One silhouette of each shape, from a view that nobody tells: images whose shapes evaluations alone see."""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from leyden.core.seeding import mix
from leyden.data.columns import LabelledImages
from leyden.data.source import ImageSource
from leyden.data.source.volumes.shapes3d import Shapes3d
from leyden.data.splits import STAGES, InMemory, Stage


@runtime_checkable
class KnowsVolumes(Protocol):
    """A source of images that knows the shapes behind them."""

    def volumes(self, stage: Stage) -> Tensor:
        """The shape of each image of a split, uint8 (N, D, D, D), 0 or 1."""
        ...


class ShapeViews(ImageSource):
    """Grey silhouettes, white on black, of generated shapes: one of each, from one of their views.

    Args:
        shapes: where they come from.
        seed: of the view that each shape is seen from.
    """

    name = "shapes3d_views"
    channels = 1

    def __init__(self, shapes: Shapes3d, seed: int = 0) -> None:
        self.shapes, self.seed = shapes, seed
        self.image_size = shapes.silhouette_size
        self.class_names = shapes.class_names

    def split(self, stage: Stage) -> InMemory[LabelledImages]:
        """Silhouettes uint8 (N, 1, S, S) of 0 and 255, and labels, class after class."""
        seen, _, views, labels = self.shapes.split(stage).columns
        generator = torch.Generator().manual_seed(mix(self.seed, STAGES.index(stage)))
        drawn = torch.randint(views.shape[1], (len(seen),), generator=generator)
        return InMemory(LabelledImages(seen[torch.arange(len(seen)), drawn][:, None] * 255, labels))

    def volumes(self, stage: Stage) -> Tensor:
        """The shape of each image of a split, uint8 (N, D, D, D), 0 or 1."""
        return self.shapes.split(stage).columns.volumes
