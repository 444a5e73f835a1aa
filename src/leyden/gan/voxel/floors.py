"""What one gets without learning: mean shapes, the nearest shape of the training, the visual hull."""

from collections.abc import Sequence

import torch
from torch import Tensor

from leyden.data.columns import Volumes
from leyden.gan.voxel.projection import View, visual_hull
from leyden.metrics.generated.voxels import best_level, pairwise_iou


class Floors:
    """Shapes for silhouettes, by rules that training shapes give at once.

    Args:
        train: shapes with silhouettes.
        views: of the silhouettes.
    """

    def __init__(self, train: Volumes, views: Sequence[View]) -> None:
        self.train, self.views = train, list(views)
        self.mean = _mean_shape(train.volumes)
        self.known = train.labels.unique()
        self.class_means = {int(k): _mean_shape(train.volumes[train.labels == k]) for k in self.known}

    def shapes(self, asked: Volumes) -> dict[str, Tensor]:
        """By name, shapes bool (N, D, D, D) for the silhouettes of ``asked``; those in "_front" see the first alone.

        The class mean is told the class; shapes of a class that the training has not get the mean of all. The nearest
        training shape is the one whose silhouettes have the highest mean IoU with those that are shown.
        """
        size = asked.volumes.shape[-1]
        means = [self.class_means.get(int(label), self.mean) for label in asked.labels]
        return {
            "mean_shape": self.mean.expand(len(asked.labels), -1, -1, -1),
            "class_mean": torch.stack(means),
            "nearest": self.nearest(asked.silhouettes),
            "nearest_front": self.nearest(asked.silhouettes[:, :1]),
            "hull": visual_hull(asked.silhouettes, self.views, size),
            "hull_front": visual_hull(asked.silhouettes[:, :1], self.views[:1], size),
        }

    def nearest(self, silhouettes: Tensor) -> Tensor:
        """The training shapes (N, D, D, D) bool whose silhouettes are most like (N, V, S, S), of the first V views."""
        alike = [
            pairwise_iou(silhouettes[:, view], self.train.silhouettes[:, view]) for view in range(silhouettes.shape[1])
        ]
        return self.train.volumes[torch.stack(alike).mean(0).argmax(1)].bool()


def _mean_shape(volumes: Tensor) -> Tensor:
    """The mean of shapes, cut where its IoU with them is highest: bool (D, D, D)."""
    mean = volumes.float().mean(0)
    return mean > best_level(mean, volumes)
