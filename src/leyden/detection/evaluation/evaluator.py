"""Evaluation of a detector on a whole split: scores, time per image, and images of its first examples."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from lightning import LightningModule
from torch import Tensor

from leyden.data.columns import Target
from leyden.detection.boxes.batch import Detections
from leyden.detection.boxes.nms import confident
from leyden.detection.evaluation.timing import Stopwatch
from leyden.metrics.detection.accumulator import Boxes, DetectionAccumulator
from leyden.metrics.detection.confusion import detection_confusion
from leyden.metrics.detection.errors import detection_errors
from leyden.metrics.detection.matches import match_detections
from leyden.metrics.detection.scores import detection_scores
from leyden.visualization.charts import draw_bars
from leyden.visualization.confusion import draw_confusion
from leyden.visualization.detection.boxes import draw_scenes
from leyden.visualization.detection.precision_recall import draw_precision_recall
from leyden.visualization.logging import log_image

HEADLINES = ("ap", "ap50", "ap75", "voc_ap50", "voc07_ap50")
"""The scores that a validation logs; a test logs them also where they are not a number."""
EXAMPLES = 8
"""Images of a split that are drawn."""


class Examples(NamedTuple):
    """Some images of a split with what was found, on the CPU."""

    images: Tensor
    """(N, C, S, S) uint8."""
    detections: list[Detections]
    """Of each image, those that score enough to be shown."""
    targets: list[Target]
    """Of each image."""


class DetectionEvaluator:
    """Gathers the detections of a split batch by batch, and scores them at once, all ranks together.

    Args:
        class_names: of the classes.
        display_threshold: least score of the detections in images and in the confusion matrix.
    """

    def __init__(self, class_names: Sequence[str], display_threshold: float) -> None:
        self.class_names, self.display_threshold = class_names, display_threshold
        self.examples: Examples | None = None
        """The first images of the split; None before there are any."""
        self._detections = DetectionAccumulator()
        self._stopwatch = Stopwatch()

    def reset(self) -> None:
        """Forgets everything, also what an interrupted evaluation left."""
        self.examples = None
        self._detections.clear()
        self._stopwatch.reset()

    def timed(
        self,
        network: Callable[..., Any],
        postprocess: Callable[[Any], list[Detections]],
        inputs: Sequence[Any],
        device: torch.device,
    ) -> list[Detections]:
        """The detections of a batch, whose time is measured; see ``Stopwatch.time``."""
        return self._stopwatch.time(network, postprocess, inputs, device)

    def add(self, images: Tensor, detections: list[Detections], targets: list[Target]) -> None:
        """Adds a batch.

        Args:
            images: uint8 (B, C, S, S).
            detections: of each image, in its pixels.
            targets: of each image.
        """
        self._detections.add(detections, targets)
        if self.examples is None:
            self.examples = Examples(
                images[:EXAMPLES].cpu(),
                [confident(found, self.display_threshold) for found in detections[:EXAMPLES]],
                [{key: value.cpu() for key, value in target.items()} for target in targets[:EXAMPLES]],
            )

    def headlines(self) -> dict[str, float]:
        """The scores that a validation logs; every rank must call it."""
        scores = detection_scores(*self._detections.whole(), len(self.class_names))
        return {name: float(scores[name]) for name in HEADLINES}

    def report(self, module: LightningModule) -> dict[str, float]:
        """The numbers of a test; every rank must call it. Logs its charts where there are loggers.

        Args:
            module: attached to a trainer; the charts are logged by it.

        Returns:
            Those of ``detection_scores``, of sizes and classes ("ap50_<class>") that occur; "error_<kind>": how much
            AP50 would rise if errors of that kind were corrected; times, see ``Stopwatch``.
        """
        detections, targets = self._detections.whole()
        names = self.class_names
        scores = detection_scores(detections, targets, len(names))
        errors = detection_errors(detections, targets, len(names))
        if module.loggers and module.trainer.is_global_zero:
            if not scores["ap50"].isnan():
                log_image(module, "precision_recall", draw_precision_recall(scores["precision50"], names))
                by_class = dict(zip(names, scores["ap50_class"].tolist(), strict=True))
                log_image(module, "class_ap50", draw_bars(by_class, "AP50", "Average precision by class", mean=True))
            self._log_confusion(module, detections, targets)
            bars = {f"{kind} ({errors.counts[kind]})": lost for kind, lost in errors.lost.items()}
            title = "If one kind of error were corrected (number of errors, low scores too)"
            log_image(module, "errors", draw_bars(bars, "gain in AP50", title, whole=False))
        numbers = {name: float(value) for name, value in scores.items() if value.ndim == 0}
        numbers |= {f"ap50_{name}": value for name, value in zip(names, scores["ap50_class"].tolist(), strict=True)}
        known = {name: value for name, value in numbers.items() if value == value or name in HEADLINES}
        return known | {f"error_{kind}": lost for kind, lost in errors.lost.items()} | self._stopwatch.milliseconds()

    def log_examples(self, module: LightningModule, stage: str) -> None:
        """Logs the first images with what was found, missed and wrong.

        Args:
            module: attached to a trainer; logs the image.
            stage: "val" or "test".
        """
        if self.examples is None:
            return
        images, detections, targets = self.examples
        matches = [match_detections(*pair) for pair in zip(detections, targets, strict=True)]
        tag = "predictions" if stage == "val" else "test_predictions"
        log_image(module, tag, draw_scenes(images, detections, targets, matches, self.class_names))

    def _log_confusion(self, module: LightningModule, detections: list[Boxes], targets: list[Boxes]) -> None:
        matrix = detection_confusion(detections, targets, len(self.class_names), self.display_threshold)
        title = (
            f"Detections of score {self.display_threshold:g} and more; background: misses (right), false alarms (below)"
        )
        log_image(module, "confusion", draw_confusion(matrix, [*self.class_names, "background"], title=title))
