"""How good a generator is that draws from noise: scores, sample grids and a verdict at the ends of its epochs."""

import logging
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import torch
from torch import Tensor

from leyden.core.attached import attached_data
from leyden.core.seeding import mix
from leyden.data.images import ImageDataModule
from leyden.data.splits import labels_of
from leyden.gan.base import AdversarialTask
from leyden.gan.evaluation.sample_evaluator import Generated, SampleEvaluator
from leyden.gan.noise_to_image.options import SamplingOptions
from leyden.gan.noise_to_image.sampler import NoiseSampler
from leyden.visualization.animation import Frames
from leyden.visualization.grid import grid, grids, side_by_side, upscale
from leyden.visualization.logging import log_image, log_text

log = logging.getLogger(__name__)


class SamplingEvaluation:
    """Evaluates samples against whole splits of the data, which must be a DataModule: ``fit(model, datamodule=data)``.

    Args:
        sampler: makes the samples.
        options: see ``SamplingOptions``; those of the evaluation are read.
    """

    main_image = "samples"

    def __init__(self, sampler: NoiseSampler, options: SamplingOptions) -> None:
        self.sampler = sampler
        self.options = options
        self.monitor = f"val/{options.choose_by}"
        self.mode: Literal["min", "max"] = "min" if options.choose_by == "fid" else "max"
        self._evaluator: SampleEvaluator | None = None
        self._labels: Tensor | None = None
        self._frames = Frames()

    def stepped(self, task: AdversarialTask) -> None:
        """Logs the samples of the same noise in some steps, for an animation; draws no random number."""
        if self._frames.due(task):
            log_image(task, "samples", self._sheet(task))

    def batch(self, task: AdversarialTask, stage: Literal["val", "test"], batch: Any, number: int) -> None:
        """Nothing: whole splits are looked at in ``end``."""

    def end(self, task: AdversarialTask, stage: Literal["val", "test"]) -> None:
        """Logs scores against the training split in validations, against the test split in the test, and images."""
        if task.trainer.sanity_checking:
            return
        evaluator = self.evaluator(task)
        if stage == "test":
            _log_scores(task, stage, self.test_scores(evaluator))
            self._log_test_images(task, evaluator)
            return
        scores = evaluator.validation(self.generated)
        task.training_monitor.record(task.global_step, scores)
        _log_scores(task, stage, scores)
        log_image(task, "samples", self._sheet(task, f", FID {scores['fid']:.3g}"))
        title = f"step {task.global_step:,}, each row from one noise to another"
        log_image(task, "interpolation", side_by_side({title: self.sampler.walks()}))

    def end_training(self, task: AdversarialTask) -> None:
        """Says whether the training was balanced, and what speaks for it."""
        name, text = task.training_monitor.verdict(len(self.sampler.class_names))
        log.info("verdict: %s. %s", name, text)
        log_text(task, "verdict", f"**{name}**: {text}")

    def evaluator(self, task: AdversarialTask) -> SampleEvaluator:
        """The evaluator of the task's data, made when it is first asked for: the same for every run on these data.

        Raises:
            ValueError: the trainer has no DataModule.
        """
        if self._evaluator is None:
            data = attached_data(task.trainer, ImageDataModule)
            if data is None:
                raise ValueError("scores need all images: hand over a DataModule, trainer.fit(model, datamodule=data)")
            options = self.options
            train, test = data.split("train"), data.split("test")
            self._evaluator = SampleEvaluator(
                train,
                test,
                len(self.sampler.class_names),
                options.eval_samples,
                task.device,
                Path(options.eval_cache) if options.eval_cache else None,
                options.extractor,
                options.extractor_weights,
            )
            self._labels = labels_of(train).cpu() if self.sampler.conditional else None
            log.info("evaluator: %s", self._evaluator.description)
        return self._evaluator

    def test_scores(self, evaluator: SampleEvaluator) -> dict[str, float]:
        """Scores against the test split (see ``SampleEvaluator.test``), means over the draws."""
        draws = [evaluator.test(partial(self.generated, draw=draw)) for draw in range(self.options.eval_draws)]
        return {name: fmean(scores[name] for scores in draws) for name in draws[0]}

    @torch.no_grad()
    def generated(self, count: int, draw: int = 0) -> Generated:
        """The same ``count`` noise vectors for a draw whenever, so that scores of two epochs or runs compare."""
        generator = self.generator_of(count, draw)
        noise = self.sampler.noise(count, generator)
        labels = None
        if self._labels is not None:  # as often as the data have them
            labels = self._labels[torch.randint(len(self._labels), (count,), generator=generator)].to(noise.device)
        return Generated(self.sampler.images(noise, labels), labels)

    def generator_of(self, count: int, draw: int) -> torch.Generator:
        """Of the random numbers of ``count`` samples, for a draw always the same."""
        return torch.Generator().manual_seed(mix(count, draw) if draw else count)

    def _sheet(self, task: AdversarialTask, more: str = "") -> Tensor:
        """The sample grid below its title."""
        rows = ", a row per class" if self.sampler.conditional else ""
        return side_by_side({f"step {task.global_step:,}{rows}{more}": self.sampler.sheet()})

    def _log_test_images(self, task: AdversarialTask, evaluator: SampleEvaluator) -> None:
        """Real images side_by_side samples, and samples' nearest real images."""
        samples = self.sampler.generate(self.sampler.fixed_noise, self.sampler.cycle(64))
        pair = grids({"real": evaluator.test_images[:64], "generated": samples})
        log_image(task, "real_and_samples", side_by_side({title: upscale(image) for title, image in pair.items()}))
        few = samples[:8]
        near = torch.cat([few.unsqueeze(1), evaluator.nearest(few, 7)], dim=1).flatten(0, 1)
        log_image(task, "neighbours", side_by_side({"generated, then its nearest in training": upscale(grid(near))}))


def _log_scores(task: AdversarialTask, stage: str, scores: dict[str, float]) -> None:
    # All ranks hold the same generator, sample the same noise and so find the same scores.
    task.log_dict({f"{stage}/{name}": value for name, value in scores.items()}, sync_dist=True)
