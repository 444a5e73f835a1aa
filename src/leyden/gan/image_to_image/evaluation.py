"""How good a translation between two domains is: does it look like the other domain, and does it keep the content?"""

import logging
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from leyden.core.attached import attached_data
from leyden.data.batches.gan.adaptation import AdaptationImages
from leyden.data.batches.gan.unpaired import DOMAINS, UnpairedImages
from leyden.data.source.pairs_of_images.pair_source import OfAttribute
from leyden.gan.base import AdversarialTask
from leyden.gan.evaluation.domain_evaluator import DomainEvaluator
from leyden.gan.evaluation.sample_evaluator import Generated, SampleEvaluator
from leyden.gan.image_to_image.attribute import AttributeEvaluator, Translate
from leyden.visualization.grid import grid, side_by_side, upscale
from leyden.visualization.logging import log_image, log_text

log = logging.getLogger(__name__)

SHOWN = 8
"""Images of either domain that are shown."""
PIXELS = 32
"""Side at which images are compared by their pixels."""


class TranslationEvaluation:
    """Evaluates translations both ways with all scores of ``SampleEvaluator``, their names ending in the way.

    Translations of A's images are compared with B's images, in features of a classifier of B's; where the domains have
    classes, ``conditional_accuracy_ab`` is the fraction of translations that this classifier names as the class that
    the image had in A: the content that was kept. ``cycle_a`` and ``cycle_b`` are the mean absolute difference, in
    -1..1, of an image and its translation there and back. Validations look at the training split, see
    ``SampleEvaluator.validation``; labels choose nothing. Where domain A's source knows which part of an image an
    attribute may change, the test has the scores of ``AttributeEvaluator`` too; on data for the adaptation of
    generators, those of ``DomainEvaluator`` of the translations of A's test images.

    The test has two more rows for each way, of what needs no training: ``nearest_conditional_accuracy_ab`` of the
    nearest of B's training images by its pixels, and ``untranslated_conditional_accuracy_ab`` of A's images themselves.

    Args:
        translate: makes the translations.
        classes: how many the domains have in common; fewer than 2 means none.
        limit: at most so many translations are compared with as many images.
    """

    monitor = "val/fid_ab"
    mode: Literal["min", "max"] = "min"
    main_image = "translations"

    def __init__(self, translate: Translate, classes: int, limit: int) -> None:
        self.translate = translate
        self.classes = classes
        self.limit = limit
        self._evaluators: dict[str, SampleEvaluator] = {}

    def stepped(self, task: AdversarialTask) -> None:
        """Nothing: whole validations are looked at."""

    def batch(self, task: AdversarialTask, stage: Literal["val", "test"], batch: Any, number: int) -> None:
        """Nothing: whole splits are looked at in ``end``."""

    def end(self, task: AdversarialTask, stage: Literal["val", "test"]) -> None:
        """Logs scores both ways and, for some images, their translations there and back."""
        if task.trainer.sanity_checking:
            return
        evaluators = self.evaluators(task)
        scores: dict[str, float] = {}
        for way in ("ab", "ba"):
            one, other = evaluators[way[0]], evaluators[way[1]]
            images, labels = one.train_images, one.train_labels
            if stage == "test":
                images, labels = one.test_images, one.test_labels
            sample = partial(self.translated, images, labels, way)
            found = other.test(sample) if stage == "test" else other.validation(sample)
            scores |= {f"{name}_{way}": value for name, value in found.items()}
            scores[f"cycle_{way[0]}"] = self.cycle(images, way)
            if stage == "test" and self.classes > 1 and labels is not None:
                scores |= {f"{name}_{way}": value for name, value in self.untrained(images, labels, other).items()}
            if way == "ab" and stage == "val":
                task.training_monitor.record(task.global_step, found)
        data = attached_data(task.trainer, UnpairedImages)
        if stage == "test" and data is not None and isinstance(data.source, OfAttribute):
            attribute = AttributeEvaluator(data.source, data.image_size, data.channels, task.device)
            scores |= attribute.scores(self.translate)
        if stage == "test" and isinstance(data, AdaptationImages):
            domains = DomainEvaluator(data, self.limit, task.device)
            scores |= domains.test(domains.source, self.translate(domains.source, "ab"))
        task.log_dict({f"{stage}/{name}": value for name, value in scores.items()}, sync_dist=True)
        log_image(task, "translations", self.sheet(evaluators))

    def end_training(self, task: AdversarialTask) -> None:
        """Says whether the training of G and D_B was balanced, and what speaks for it."""
        name, text = task.training_monitor.verdict(self.classes)
        log.info("verdict: %s. %s", name, text)
        log_text(task, "verdict", f"**{name}**: {text}")

    def evaluators(self, task: AdversarialTask) -> dict[str, SampleEvaluator]:
        """An evaluator for each domain, "a" and "b", made when they are first asked for.

        Raises:
            ValueError: the trainer has no DataModule of two domains.
        """
        if not self._evaluators:
            data = attached_data(task.trainer, UnpairedImages)
            if data is None:
                raise ValueError(
                    "scores need all images: hand over UnpairedImages, trainer.fit(model, datamodule=data)"
                )
            for domain in DOMAINS:
                train, test = data.domain(domain, "train"), data.domain(domain, "test")
                self._evaluators[domain] = SampleEvaluator(train, test, self.classes, self.limit, task.device)
                log.info("evaluator of domain %s: %s", domain, self._evaluators[domain].description)
        return self._evaluators

    def translated(self, images: Tensor, labels: Tensor | None, way: str, count: int) -> Generated:
        """``count`` translations of images (N, C, S, S), which are taken again from the first if there are fewer."""
        chosen = torch.arange(count, device=images.device) % len(images)
        return Generated(self.translate(images[chosen], way), None if labels is None else labels[chosen])

    def untrained(self, images: Tensor, labels: Tensor, other: SampleEvaluator) -> dict[str, float]:
        """How many of images (N, C, S, S) keep their class, labels (N,), by what needs no training."""
        rows = {"nearest": other.train_images[nearest(images, other.train_images)], "untranslated": images}
        scores = {}
        for name, translations in rows.items():
            named = other.features.classify(translations)
            if named is not None:
                scores[f"{name}_conditional_accuracy"] = (named == labels.to(named.device)).float().mean().item()
        return scores

    def cycle(self, images: Tensor, way: str) -> float:
        """Mean absolute difference in -1..1 of uint8 images (N, C, S, S) and their translations there and back."""
        back = self.translate(self.translate(images, way), way[::-1])
        return (back.float() - images.float()).abs().mean().item() / 127.5

    def sheet(self, evaluators: dict[str, SampleEvaluator]) -> Tensor:
        """Test images of A and of B; below them translated, there and back, and by the network of the other way.

        The last row shows images of A that go through the network from B to A, which should change nothing.

        Returns:
            (3, H, W) uint8.
        """
        columns = {}
        for way in ("ab", "ba"):
            images = evaluators[way[0]].test_images[:SHOWN]
            there, same = self.translate(images, way), self.translate(images, way[::-1])
            rows = torch.cat([images, there, self.translate(there, way[::-1]), same])
            one, other = way[0].upper(), way[1].upper()
            columns[f"{one}; in {other}; back in {one}; identity"] = upscale(grid(rows, len(images)))
        return side_by_side(columns)


def nearest(images: Tensor, among: Tensor) -> Tensor:
    """The number (N,) int64 of the nearest of uint8 images ``among`` (M, C, S, S) by the pixels of (N, C, S, S).

    Images above ``PIXELS`` are compared at that size.
    """

    def pixels(part: Tensor) -> Tensor:
        part = part.float()
        return (adaptive_avg_pool2d(part, PIXELS) if part.shape[-1] > PIXELS else part).flatten(1)

    found = pixels(among)
    return torch.cat([torch.cdist(pixels(part), found).argmin(1) for part in images.split(256)])
