"""How good a small generator is beside the large one that taught it."""

from functools import partial
from typing import Literal

import torch

from leyden.gan.base import AdversarialTask
from leyden.gan.evaluation.sample_evaluator import Generated, SampleEvaluator
from leyden.gan.noise_to_image.evaluation import SamplingEvaluation
from leyden.gan.noise_to_image.options import SamplingOptions
from leyden.gan.noise_to_image.sampler import Generate, NoiseSampler
from leyden.visualization.grid import grid, side_by_side, upscale
from leyden.visualization.logging import log_image

SHOWN = 32
"""Noise vectors whose two images are shown."""


class DistillEvaluation(SamplingEvaluation):
    """Evaluates samples; in the test the teacher's as well, and shows what both make of the same noise.

    Args:
        sampler: makes the student's samples.
        options: see ``SamplingOptions``.
        teach: makes the teacher's.
    """

    main_image = "teacher_and_student"

    def __init__(self, sampler: NoiseSampler, options: SamplingOptions, teach: Generate) -> None:
        super().__init__(sampler, options)
        self._teach = teach

    def test_scores(self, evaluator: SampleEvaluator) -> dict[str, float]:
        """The student's scores, and how far the teacher's samples are from the test split (``fid_teacher``)."""
        scores, draws = super().test_scores(evaluator), self.options.eval_draws
        taught = [evaluator.test(partial(self._taught, draw=draw))["fid"] for draw in range(draws)]
        return {**scores, "fid_teacher": sum(taught) / draws}

    def end(self, task: AdversarialTask, stage: Literal["val", "test"]) -> None:
        """Logs scores and images."""
        super().end(task, stage)
        if stage == "test" and not task.trainer.sanity_checking:
            noise = self.sampler.fixed_noise[:SHOWN]
            with torch.no_grad():
                both = {"teacher": self._teach(noise, None), "student": self.sampler.generate(noise, None)}
            log_image(
                task, self.main_image, side_by_side({name: upscale(grid(images)) for name, images in both.items()})
            )

    @torch.no_grad()
    def _taught(self, count: int, draw: int = 0) -> Generated:
        """As many of the teacher's samples, of the noise that the student's have."""
        noise = self.sampler.noise(count, self.generator_of(count, draw))
        return Generated(torch.cat([self._teach(part, None) for part in noise.split(256)]), None)
