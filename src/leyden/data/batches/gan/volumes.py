"""Volumes with silhouettes from some views: batches for shapes from silhouettes."""

from typing import ClassVar

from leyden.data.columns import Volumes
from leyden.data.module import DataModule
from leyden.data.source.volumes.shapes3d import Shapes3d
from leyden.data.specs import VolumeSpec
from leyden.data.splits import InMemory, Split, Stage


class VolumeData(DataModule):
    """Batches with ``silhouettes`` (B, V, S, S), ``volumes`` (B, D, D, D), ``views`` and ``labels``; see ``Volumes``.

    Args:
        source: of volumes.
        views: so many of the source's views, its first ones; null takes all.
        batch_size: training shapes per step and device.
        eval_batch_size: shapes per validation or test batch.
        seed: of the order.

    Raises:
        ValueError: the source produces something else, or has fewer views.
    """

    consumes: ClassVar[str] = "volumes"
    source: Shapes3d

    def __init__(
        self,
        source: Shapes3d,
        views: int | None = None,
        batch_size: int = 64,
        eval_batch_size: int = 256,
        seed: int = 0,
    ) -> None:
        super().__init__(source, batch_size, eval_batch_size, 0, seed)
        there = len(source.views)
        if views is not None and not 1 <= views <= there:
            raise ValueError(f"data.views={views}: {source.name} has {there}: set 1 to {there}, or null for all")
        self.views = views or there

    @property
    def spec(self) -> VolumeSpec:
        """What the model must know."""
        return VolumeSpec(
            class_names=list(self.source.class_names),
            views=list(self.source.views[: self.views]),
            volume_size=self.source.size,
            image_size=self.source.silhouette_size,
        )

    def examples(self, stage: Stage) -> InMemory[Volumes]:
        """The source's shapes with the silhouettes of the chosen views."""
        columns = self.source.split(stage).columns
        few = columns.silhouettes[:, : self.views].contiguous(), columns.views[:, : self.views].contiguous()
        return InMemory(columns._replace(silhouettes=few[0], views=few[1]))

    def whole(self, stage: Stage) -> Volumes:
        """All columns of a split at once."""
        split: Split = self.split(stage)
        assert isinstance(split, InMemory)
        columns: Volumes = split.columns
        return columns
