"""How good shapes from silhouettes are: IoU with the truth, beside what one gets without learning, and images."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from leyden.core.attached import attached_data
from leyden.data.batches.gan.volumes import VolumeData
from leyden.data.columns import Volumes
from leyden.data.source.volumes.shapes3d import view_name
from leyden.gan.base import AdversarialTask
from leyden.gan.voxel.floors import Floors
from leyden.gan.voxel.projection import View
from leyden.metrics.generated.voxels import distinct, voxel_iou
from leyden.visualization.animation import Frames
from leyden.visualization.generated.voxels import COLOUR, YAW, draw_silhouette, draw_voxels
from leyden.visualization.labelled import draw_sheet
from leyden.visualization.logging import log_image

Probabilities = Callable[[Tensor, Tensor | None], Tensor]
"""Silhouettes (N, V, S, S) and which views are given (N, V), or None for all, to (N, D, D, D) in [0, 1]."""
ROWS = 6
"""Shapes that are shown."""
SIDE = 112
OURS, TRUTH, OTHER = (232, 138, 60), COLOUR, (150, 150, 150)
"""Colours of shapes."""


class ShapeEvaluation:
    """Scores shapes by IoU with the truth: with all views, with the first alone, and the floors beside them.

    ``iou`` is of shapes whose class the training has; ``iou_unseen_class`` of all others, if there are any. Names that
    end in ``_front`` are of the first view alone. ``occupancy_ratio`` is predicted over true voxels, ``distinct`` how
    many different shapes there are among ``shapes``. The test has the floors besides (``Floors``).

    Args:
        probabilities: of the technique.
        class_names: of the data.
        views: of the silhouettes.
        threshold: a voxel whose probability is above it is occupied.
    """

    monitor = "val/iou"
    mode: Literal["min", "max"] = "max"
    main_image = "samples"

    def __init__(
        self, probabilities: Probabilities, class_names: Sequence[str], views: Sequence[View], threshold: float
    ) -> None:
        self.probabilities, self.threshold = probabilities, threshold
        self.class_names, self.views = list(class_names), list(views)
        self._frames = Frames()
        self._floors: Floors | None = None

    def stepped(self, task: AdversarialTask) -> None:
        """Logs the same shapes in some steps, turned a little further each time: the animation of the training."""
        if self._frames.due(task):
            log_image(task, "samples", self.sheet(task, self.data(task).whole("val")))

    def batch(self, task: AdversarialTask, stage: Literal["val", "test"], batch: Any, number: int) -> None:
        """Nothing: whole splits are looked at in ``end``."""

    def end(self, task: AdversarialTask, stage: Literal["val", "test"]) -> None:
        """Logs scores of the split, in the test those of the floors besides, and an image."""
        if task.trainer.sanity_checking:
            return
        asked = self.data(task).whole(stage)
        found = self.shapes(task, asked)
        if stage == "test":
            found |= {name: shapes.cpu() for name, shapes in self.floors(task).shapes(asked).items()}
        scores = self.scores(task, asked, found)
        task.log_dict({f"{stage}/{name}": value for name, value in scores.items()}, sync_dist=True)
        log_image(task, "samples", self.sheet(task, asked))

    def end_training(self, task: AdversarialTask) -> None:
        """Nothing: the scores say it all."""

    def data(self, task: AdversarialTask) -> VolumeData:
        """The trainer's data.

        Raises:
            ValueError: the trainer has no DataModule of volumes.
        """
        data = attached_data(task.trainer, VolumeData)
        if data is None:
            raise ValueError("scores need all shapes: hand over VolumeData, trainer.fit(model, datamodule=data)")
        return data

    def floors(self, task: AdversarialTask) -> Floors:
        """The floors of the trainer's data, made when they are first asked for."""
        if self._floors is None:
            self._floors = Floors(self.data(task).whole("train"), self.views)
        return self._floors

    def shapes(self, task: AdversarialTask, asked: Volumes) -> dict[str, Tensor]:
        """The technique's shapes bool (N, D, D, D): "" with all views, "front" with the first alone."""
        silhouettes = asked.silhouettes.to(task.device)
        first = torch.zeros(silhouettes.shape[:2], dtype=torch.bool, device=task.device)
        first[:, 0] = True
        fields = {"": self.probabilities(silhouettes, None), "front": self.probabilities(silhouettes, first)}
        return {name: (field > self.threshold).cpu() for name, field in fields.items()}

    def scores(self, task: AdversarialTask, asked: Volumes, found: dict[str, Tensor]) -> dict[str, float]:
        """Mean IoUs of shapes by name, "" being the technique's own; and what else the class names."""
        known = torch.isin(asked.labels.cpu(), self.data(task).whole("train").labels.cpu())
        truth, scores = asked.volumes.cpu(), {}
        for name, shapes in found.items():
            iou, ending = voxel_iou(shapes.cpu(), truth), f"_{name}" if name else ""
            scores[f"iou{ending}"] = iou[known].mean().item()
            if not known.all():
                scores[f"iou{ending}_unseen_class"] = iou[~known].mean().item()
        own = found[""]
        scores["occupancy_ratio"] = own.sum().item() / max(1, truth.sum().item())
        return scores | {"distinct": float(distinct(own)), "shapes": float(len(own))}

    def sheet(self, task: AdversarialTask, asked: Volumes) -> Tensor:
        """A row for each of some shapes: silhouettes, truth, ours, the hull and the nearest training shape.

        The camera goes around by the share of the training that is over.
        """
        yaw = camera_yaw(task)
        few = _spread(asked, ROWS)
        ours = self.shapes(task, few)
        beside = self.floors(task).shapes(few)
        columns: list[tuple[str, Tensor, tuple[int, int, int]]] = [
            ("truth", few.volumes, TRUTH),
            ("ours", ours[""], OURS),
            ("visual hull", beside["hull"], OTHER),
            ("nearest in training", beside["nearest"], OTHER),
            ("ours, first view alone", ours["front"], OURS),
        ]
        images, captions = [], []
        for row in range(len(few.labels)):
            for view, silhouette in zip(self.views, few.silhouettes[row], strict=True):
                images.append(draw_silhouette(silhouette, SIDE))
                captions.append(f"{view_name(view)}\n{self.class_names[int(few.labels[row])]}")
            for title, shapes, colour in columns:
                iou = voxel_iou(shapes[row : row + 1].cpu(), few.volumes[row : row + 1].cpu()).item()
                images.append(draw_voxels(shapes[row], yaw, SIDE, colour))
                captions.append(title if title == "truth" else f"{title}\nIoU {iou:.2f}")
        return draw_sheet(images, captions, "", columns=len(self.views) + len(columns), side=SIDE)


def camera_yaw(task: AdversarialTask) -> float:
    """Degrees from which shapes are seen: once around in the course of the training."""
    total = task.trainer.estimated_stepping_batches if task.trainer.training else task.global_step
    return YAW + 360 * (task.global_step / max(1, total) if total != float("inf") else 0)


def _spread(columns: Volumes, count: int) -> Volumes:
    """``count`` examples, evenly spread: of each class some."""
    chosen = torch.arange(count) * len(columns.labels) // count
    return Volumes(*(column[chosen.to(column.device)] for column in columns))
