"""How good an adapted generator is: beside its source, at the same noise."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from leyden.core.attached import attached_data
from leyden.data.batches.gan.adaptation import AdaptationImages
from leyden.gan.base import AdversarialTask
from leyden.gan.evaluation.domain_evaluator import DomainEvaluator
from leyden.visualization.animation import Frames
from leyden.visualization.grid import grid, side_by_side, upscale
from leyden.visualization.logging import log_image

if TYPE_CHECKING:
    from leyden.gan.adaptation.adapt import Adaptation

log = logging.getLogger(__name__)
SHOWN = 8
"""Images in a row of the main image."""


class AdaptationEvaluation:
    """Evaluates samples by ``DomainEvaluator``: ``val/kid`` against validation images, all scores in the test.

    Args:
        task: the adaptation; its samples are asked for.
    """

    monitor = "val/kid"
    mode: Literal["min", "max"] = "min"
    main_image = "adapted"

    def __init__(self, task: "Adaptation") -> None:
        # Not as an attribute of the module: it would be a part of itself.
        self.generate, self.before, self.sampler, self.options = task.generate, task.before, task.sampler, task.options
        self._evaluator: DomainEvaluator | None = None
        self._frames = Frames()

    def stepped(self, task: AdversarialTask) -> None:
        """Logs the samples of the same noise in some steps, for an animation; draws no random number."""
        if self._frames.due(task):
            log_image(task, "samples", self._samples(task))

    def batch(self, task: AdversarialTask, stage: Literal["val", "test"], batch: Any, number: int) -> None:
        """Nothing: whole splits are looked at in ``end``."""

    @torch.no_grad()
    def end(self, task: AdversarialTask, stage: Literal["val", "test"]) -> None:
        """Logs scores and images."""
        if task.trainer.sanity_checking:
            return
        evaluator, noise = self.evaluator(task), self.noise()
        after = torch.cat([self.generate(part) for part in noise.split(256)])
        if stage == "val":
            scores = evaluator.validation(after)
            log_image(task, "samples", self._samples(task, f", KID {scores['kid']:.3g}"))
        else:
            scores = evaluator.test(torch.cat([self.before(part) for part in noise.split(256)]), after)
            self._log_test_images(task, evaluator)
        task.log_dict({f"{stage}/{name}": value for name, value in scores.items()}, sync_dist=True)

    def end_training(self, task: AdversarialTask) -> None:
        """Nothing: the verdict of training from scratch goes by a fall of FID, which adaptation does not have."""

    def evaluator(self, task: AdversarialTask) -> DomainEvaluator:
        """The evaluator of the task's data, made when it is first asked for.

        Raises:
            ValueError: the trainer has no DataModule of a source and a target.
        """
        if self._evaluator is None:
            data = attached_data(task.trainer, AdaptationImages)
            if data is None:
                raise ValueError("scores need data=gan/adaptation: trainer.fit(model, datamodule=data)")
            cache = Path(self.options.eval_cache) if self.options.eval_cache else None
            self._evaluator = DomainEvaluator(data, self.options.eval_samples, task.device, cache)
            log.info("evaluator: a classifier of both domains (test accuracy %.3f)", self._evaluator.accuracy or 0)
        return self._evaluator

    def noise(self) -> Tensor:
        """The same noise (``eval_samples``, latent_dim) whenever, so that scores of runs compare."""
        count = self.options.eval_samples
        return self.sampler.noise(count, torch.Generator().manual_seed(count))

    def _samples(self, task: AdversarialTask, more: str = "") -> Tensor:
        with torch.no_grad():
            images = self.generate(self.sampler.fixed_noise)
        return side_by_side({f"step {task.global_step:,}{more}": upscale(grid(images))})

    def _log_test_images(self, task: AdversarialTask, evaluator: DomainEvaluator) -> None:
        """The same noise before and, below, after; real images beside; samples with their nearest target images."""
        noise = self.sampler.fixed_noise[: 3 * SHOWN]
        pairs = torch.stack([part.unflatten(0, (3, SHOWN)) for part in (self.before(noise), self.generate(noise))], 1)
        sheets = {
            "source, and below it adapted, of the same noise": grid(pairs.flatten(0, 2), SHOWN),
            "real, held out": grid(evaluator.target[:24], 4),
        }
        larger = {title: upscale(sheet, 3 * min(sheet.shape[1:])) for title, sheet in sheets.items()}
        log_image(task, "adapted", side_by_side(larger))
        few = self.generate(noise[:8])
        near = torch.cat([few.unsqueeze(1), evaluator.nearest(few, 5)], dim=1).flatten(0, 1)
        columns = len(near) // 8
        titled = {"adapted, then the nearest images that it learnt from": upscale(grid(near, columns))}
        log_image(task, "neighbours", side_by_side(titled))
