"""How good shapes are that were learned from silhouettes: their silhouettes against held-out ones, and images."""

import logging
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from leyden.core.attached import attached_data
from leyden.data.images import ImageDataModule
from leyden.data.source.volumes.views import KnowsVolumes
from leyden.gan.base import AdversarialTask
from leyden.gan.evaluation.sample_evaluator import Generated, SampleEvaluator
from leyden.gan.noise_to_image.sampler import NoiseSampler
from leyden.gan.voxel.evaluation import camera_yaw
from leyden.gan.voxel.projection import turned
from leyden.metrics.generated.voxels import best_level, distinct, pairwise_iou, turned_and_mirrored
from leyden.visualization.animation import Frames
from leyden.visualization.generated.voxels import COLOUR, YAW, draw_voxels
from leyden.visualization.grid import grid, side_by_side, upscale
from leyden.visualization.logging import log_image

log = logging.getLogger(__name__)

SHOWN = 12
"""Shapes that are shown."""
SIDE = 112
OURS = (232, 138, 60)
"""Colour of generated shapes."""


class SilhouetteEvaluation:
    """Scores silhouettes of generated shapes against whole splits, in principal components of the pixels.

    All scores of ``SampleEvaluator`` (labels are not looked at), and ``iou_nearest``: how like each held-out silhouette
    is to the one of as many generated that is most like it, binarised, a mean. Where the source knows the shapes behind
    its images (``KnowsVolumes``), the test has floors: ``fid_mean_shape`` and ``iou_nearest_mean_shape`` of silhouettes
    of the mean training shape, cut where it is most like them; ``shape_iou_nearest``, of each held-out shape with the
    generated one most like it, in 16 positions, as nothing says which side is the front, beside that of the mean shape
    and that of as many training shapes; and ``occupancy_ratio``. ``distinct`` counts different shapes of ``samples``.

    Args:
        sampler: draws noise, and makes silhouettes of it.
        shapes: occupancies (N, D, D, D) of noise.
        seen: silhouettes uint8 (N, 1, D, D) of volumes (N, D, D, D) from the directions that noise says.
        threshold: what is above it is full.
        limit: at most so many silhouettes are compared.
    """

    monitor = "val/fid"
    mode: Literal["min", "max"] = "min"
    main_image = "samples"

    def __init__(
        self,
        sampler: NoiseSampler,
        shapes: Callable[[Tensor], Tensor],
        seen: Callable[[Tensor, Tensor], Tensor],
        threshold: float,
        limit: int,
    ) -> None:
        self.sampler, self.shapes, self.seen = sampler, shapes, seen
        self.threshold, self.limit = threshold, limit
        self._evaluator: SampleEvaluator | None = None
        self._frames = Frames()

    def stepped(self, task: AdversarialTask) -> None:
        """Logs the shapes of the same noise in some steps, turned a little further each time."""
        if self._frames.due(task):
            log_image(task, "samples", self.sheet(task))

    def batch(self, task: AdversarialTask, stage: Literal["val", "test"], batch: Any, number: int) -> None:
        """Nothing: whole splits are looked at in ``end``."""

    def end(self, task: AdversarialTask, stage: Literal["val", "test"]) -> None:
        """Logs scores against the training split in validations, against the test split in the test, and images."""
        if task.trainer.sanity_checking:
            return
        evaluator = self.evaluator(task)
        if stage == "val":
            scores = evaluator.validation(self.generated)
            task.training_monitor.record(task.global_step, scores)
        else:
            scores = evaluator.test(self.generated) | self.test_scores(task, evaluator)
            self._log_test_image(task, evaluator)
        task.log_dict({f"{stage}/{name}": value for name, value in scores.items()}, sync_dist=True)
        log_image(task, "samples", self.sheet(task))

    def end_training(self, task: AdversarialTask) -> None:
        """Says in the log whether the training was balanced."""
        name, text = task.training_monitor.verdict(0)
        log.info("verdict: %s. %s", name, text)

    def data(self, task: AdversarialTask) -> ImageDataModule:
        """The trainer's data.

        Raises:
            ValueError: the trainer has no DataModule of images.
        """
        data = attached_data(task.trainer, ImageDataModule)
        if data is None:
            raise ValueError("scores need all images: hand over a DataModule, trainer.fit(model, datamodule=data)")
        return data

    def evaluator(self, task: AdversarialTask) -> SampleEvaluator:
        """The evaluator of the trainer's data, made when it is first asked for."""
        if self._evaluator is None:
            data = self.data(task)
            self._evaluator = SampleEvaluator(data.split("train"), data.split("test"), 0, self.limit, task.device)
            log.info("evaluator: %s", self._evaluator.description)
        return self._evaluator

    def noise(self, count: int) -> Tensor:
        """The same noise for a count whenever."""
        return self.sampler.noise(count, torch.Generator().manual_seed(count))

    @torch.no_grad()
    def generated(self, count: int) -> Generated:
        """Silhouettes of ``count`` generated shapes, each from a view of its own."""
        return Generated(self.sampler.images(self.noise(count), None))

    @torch.no_grad()
    def test_scores(self, task: AdversarialTask, evaluator: SampleEvaluator) -> dict[str, float]:
        """What ``SampleEvaluator`` does not say, and the floors."""
        real, noise = evaluator.test_images, self.noise(len(evaluator.test_images))
        full = self.shapes(noise) > self.threshold
        scores = {"iou_nearest": _nearest(real > 127, self.generated(len(real)).images > 127)}
        scores |= {"distinct": float(distinct(full))}
        source = self.data(task).source
        if not isinstance(source, KnowsVolumes):
            return scores
        truth, train = (source.volumes(stage).to(task.device) for stage in ("test", "train"))
        if truth.shape[1:] != full.shape[1:]:
            log.warning("shapes have %d voxels, the data's %d: they are not compared", len(full[0]), len(truth[0]))
            return scores
        mean = train.float().mean(0)
        mean_shape = (mean > best_level(mean, train)).float()
        seen = self.seen(mean_shape.expand_as(full), noise)
        scores["fid_mean_shape"] = evaluator.test(lambda count: Generated(seen[:count]))["fid"]
        scores["iou_nearest_mean_shape"] = _nearest(real > 127, seen > 127)
        few = train[torch.arange(len(full), device=train.device) * len(train) // len(full)]
        scores["shape_iou_nearest"] = _nearest(truth, _positions(full.float()))
        scores["shape_iou_nearest_mean_shape"] = _nearest(truth, _positions(mean_shape[None]))
        scores["shape_iou_nearest_training"] = _nearest(truth, few)
        return scores | {"occupancy_ratio": (full.float().mean() / truth.float().mean()).item()}

    @torch.no_grad()
    def sheet(self, task: AdversarialTask) -> Tensor:
        """Shapes of the fixed noise, each from the same side; the camera goes around by the share that is over."""
        yaw = camera_yaw(task)
        full = self.shapes(self.sampler.fixed_noise[:SHOWN]) > self.threshold
        drawn = torch.stack([draw_voxels(volume, yaw, SIDE, OURS) for volume in full])
        return side_by_side({f"step {task.global_step:,}": grid(drawn, 4)})

    @torch.no_grad()
    def _log_test_image(self, task: AdversarialTask, evaluator: SampleEvaluator) -> None:
        """Silhouettes of the data and of generated shapes, and, where they are known, true shapes beside generated."""
        images = {
            "silhouettes of the data": upscale(grid(evaluator.test_images[:64]), 256),
            "of generated shapes": upscale(grid(self.generated(64).images), 256),
        }
        source = self.data(task).source
        if isinstance(source, KnowsVolumes):
            truth = source.volumes("test")
            few = truth[torch.arange(SHOWN) * len(truth) // SHOWN]
            images["true shapes, never seen"] = grid(
                torch.stack([draw_voxels(volume, YAW, SIDE, COLOUR) for volume in few]), 4
            )
        full = self.shapes(self.sampler.fixed_noise[:SHOWN]) > self.threshold
        images["generated shapes"] = grid(torch.stack([draw_voxels(volume, YAW, SIDE, OURS) for volume in full]), 4)
        log_image(task, "shapes", side_by_side(images))


def _positions(shapes: Tensor) -> Tensor:
    """Shapes (N, D, D, D) of 0 and 1 turned by multiples of 45 degrees and mirrored: bool (16 N, D, D, D)."""
    eighth = turned(shapes, torch.full((len(shapes),), torch.pi / 4, device=shapes.device))
    return turned_and_mirrored(torch.cat([shapes, eighth]) > 0.5)


def _nearest(asked: Tensor, found: Tensor) -> float:
    """Mean over ``asked`` (N, ...) of the highest IoU with one of ``found`` (M, ...)."""
    return pairwise_iou(asked, found).amax(1).mean().item()
