"""How good a generator is that draws what a text describes: scores, sheets and a verdict at the ends of its epochs."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from leyden.core.attached import attached_data
from leyden.data.batches.captions import Captions
from leyden.data.columns import CaptionedTokens
from leyden.data.splits import InMemory, Stage
from leyden.gan.base import AdversarialTask
from leyden.gan.text_to_image.options import DescriptionOptions
from leyden.gan.text_to_image.sampler import DescriptionSampler
from leyden.gan.text_to_image.scores import Described, DescriptionScores
from leyden.visualization.animation import Frames
from leyden.visualization.generated.described import draw_described
from leyden.visualization.logging import log_image, log_text

log = logging.getLogger(__name__)

ROWS = 10
"""Descriptions on a sheet that training images have, and at most as many that none has."""
BESIDE = 5
"""Images of each beside real ones."""
UNSEEN_EACH = 10
"""Samples in validations of each description that no training image has."""


class DescriptionEvaluation:
    """Evaluates samples of the data's descriptions; the data must be ``Captions``: ``fit(model, datamodule=data)``.

    Args:
        sampler: makes the samples.
        options: those of the evaluation are read.
        unseen: places among the descriptions of those that no training image has.
        factors: words by factor, where descriptions are made of such.
    """

    main_image = "descriptions"

    def __init__(
        self,
        sampler: DescriptionSampler,
        options: DescriptionOptions,
        unseen: list[int],
        factors: dict[str, list[str]],
    ) -> None:
        self.sampler, self.options, self.unseen, self.factors = sampler, options, unseen, factors
        self.monitor = "val/right" if factors else "val/fid"
        self.mode: Literal["min", "max"] = "max" if factors else "min"
        seen = [place for place in range(len(sampler.class_names)) if place not in set(unseen)]
        self._shown = [_spread(seen), _spread(unseen)]
        self._scores: DescriptionScores | None = None
        self._splits: dict[Stage, CaptionedTokens] = {}
        self._frames = Frames()

    def stepped(self, task: AdversarialTask) -> None:
        """Logs samples of the same noise in some steps, for an animation; draws no random number."""
        if self._frames.due(task):
            log_image(task, self.main_image, self._sheet(task))

    def batch(self, task: AdversarialTask, stage: Literal["val", "test"], batch: Any, number: int) -> None:
        """Nothing: whole splits are looked at in ``end``."""

    def end(self, task: AdversarialTask, stage: Literal["val", "test"]) -> None:
        """Logs scores: of training captions in validations, of test captions in the test; and images."""
        if task.trainer.sanity_checking:
            return
        scorer = self.scorer(task)
        if stage == "val":
            scores = scorer.validation(self.generated("train"), self.generated_unseen())
            task.training_monitor.record(task.global_step, scores)
            right = f", right {scores['right']:.2f}" if self.factors else f", FID {scores['fid']:.3g}"
            log_image(task, self.main_image, self._sheet(task, right))
        else:
            scores = scorer.testing(self.generated("test"))
            self._log_test_images(task, scorer)
        # All ranks hold the same generator, sample the same noise and so find the same scores.
        kept = {f"{stage}/{name}": value for name, value in scores.items() if not math.isnan(value)}
        task.log_dict(kept, sync_dist=True)

    def end_training(self, task: AdversarialTask) -> None:
        """Says whether the training was balanced, and what speaks for it."""
        name, text = task.training_monitor.verdict()
        log.info("verdict: %s. %s", name, text)
        log_text(task, "verdict", f"**{name}**: {text}")

    def scorer(self, task: AdversarialTask) -> DescriptionScores:
        """The scores of the task's data, made when they are first asked for: the same for every run on these data.

        Raises:
            ValueError: the trainer has no DataModule of captions, or the data have too few images.
        """
        if self._scores is None:
            data = attached_data(task.trainer, Captions)
            if data is None:
                raise ValueError("scores need all images: hand over a DataModule, trainer.fit(model, datamodule=data)")
            limit, device, cache = self.options.eval_samples, task.device, self.options.eval_cache
            self._splits = {stage: _chosen(data.split(stage), limit, device) for stage in ("train", "test")}
            whole = _chosen(data.split("train"), None, device)
            self._scores = DescriptionScores(
                _described(whole),
                _described(self._splits["test"]),
                self.sampler.class_names,
                self.unseen,
                self.factors,
                device,
                Path(cache) if cache else None,
            )
        return self._scores

    def generated(self, stage: Stage) -> Described:
        """A sample for each caption of a split that is evaluated; the same noise whenever, so that scores compare."""
        split = self._splits[stage]
        noise = self.sampler.noise(len(split.labels), torch.Generator().manual_seed(len(split.labels)))
        with torch.no_grad():
            encoded = self.sampler.encode(split.tokens, split.lengths)
        return Described(self.sampler.images(noise, encoded), split.labels)

    def generated_unseen(self) -> Described:
        """``UNSEEN_EACH`` samples of each description that no training image has; the same noise whenever."""
        places = torch.tensor(self.unseen, dtype=torch.int64).repeat_interleave(UNSEEN_EACH)
        noise = self.sampler.noise(len(places), torch.Generator().manual_seed(len(places)))
        if not self.unseen:
            return Described(torch.empty(0, dtype=torch.uint8), places)
        with torch.no_grad():
            encoded = self.sampler.encoded([self.sampler.class_names[place] for place in places.tolist()])
        return Described(self.sampler.images(noise, encoded), places.to(noise.device))

    def _sheet(self, task: AdversarialTask, more: str = "") -> Tensor:
        """Rows of samples below their descriptions, those that training images have beside those that none has."""
        names = self.sampler.class_names
        title = f"step {task.global_step:,}{more}"
        columns = {title: self._shown[0], "descriptions that no training image has": self._shown[1]}
        texts = {heading: [names[place] for place in places] for heading, places in columns.items() if places}
        return draw_described({heading: (rows, self.sampler.rows(rows)) for heading, rows in texts.items()})

    def _log_test_images(self, task: AdversarialTask, scorer: DescriptionScores) -> None:
        """Samples beside real images of the same descriptions, and walks from one description to another."""
        names, test = self.sampler.class_names, scorer.test
        columns: dict[str, tuple[list[str], Sequence[Tensor]]] = {}
        for more, shown in zip(("", ": no training image has these"), self._shown, strict=True):
            real = {names[place]: test.images[test.labels == place][:BESIDE] for place in shown}
            if real := {text: images for text, images in real.items() if len(images)}:
                columns[f"real{more}"] = (list(real), list(real.values()))
                columns[f"generated{more}"] = (list(real), list(self.sampler.rows(list(real), BESIDE)))
        log_image(task, "real_and_samples", draw_described(columns))
        first, last = names[self._shown[0][0]], names[self._shown[0][-1]]
        walk = self.sampler.walk(first, last)
        log_image(task, "walk", draw_described({f"from {first!r} to {last!r}": ([""] * len(walk), walk)}))


def _spread(places: list[int]) -> list[int]:
    """At most ``ROWS`` of these, evenly spread."""
    count = min(ROWS, len(places))
    return [places[(2 * row + 1) * len(places) // (2 * count)] for row in range(count)]


def _chosen(split: Any, limit: int | None, device: torch.device) -> CaptionedTokens:
    """Examples of a split in one fixed random order, ``limit`` at most."""
    assert isinstance(split, InMemory)
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(0))[:limit]
    images, tokens, lengths, labels = split.take(order.to(split.device))
    return CaptionedTokens(images.to(device), tokens.to(device), lengths.to(device), labels.to(device))


def _described(examples: CaptionedTokens) -> Described:
    return Described(examples.images, examples.labels)
