"""What all detectors share: they are judged, timed, drawn and asked in one way, so that they can be compared.

A technique gives the network's part (``outputs``), what follows it (``answers``), apart from each other, and its loss.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

import torch
from lightning import LightningModule
from torch import Tensor

from leyden.core.optim import parameter_groups, scheduled, warmup_cosine
from leyden.core.technique import NO_OPTIONS, Predictions, PredictOptions
from leyden.data.splits import fit_image
from leyden.detection.boxes.batch import Target, at_least, suppress
from leyden.detection.boxes.soft_nms import NMS_METHODS, NMSMethod
from leyden.detection.evaluation.coco_json import coco_json, plain_row
from leyden.detection.evaluation.report import HEADLINES, review
from leyden.detection.evaluation.timing import Stopwatch
from leyden.detection.nets.backbone_features import FeatureMaps
from leyden.metrics.detection.accumulator import DetectionAccumulator
from leyden.metrics.detection.matches import match_detections
from leyden.metrics.detection.scores import detection_scores
from leyden.nets.memory_format import MemoryFormat
from leyden.visualization.detection.boxes import draw_boxes, draw_scenes
from leyden.visualization.detection.feature_maps import draw_feature_maps
from leyden.visualization.logging import log_image, logs_now

Batch = tuple[Tensor, list[Target]]
"""uint8 images (B, C, S, S) and their targets, see ``leyden.metrics.detection.accumulator.Boxes``."""
AT_ONCE = 16
"""Pictures that ``predict`` gives the network together."""
SHOWN = 8
"""Images of a split that are drawn."""
LOOKED_INTO = 4
"""Of them, those whose feature maps are drawn."""


class Detector(LightningModule, ABC):
    """Base of the detectors: validation, test, pictures and predictions.

    A test logs, of the whole set at once and of all ranks together, ``test/ap``, ``ap50``, ``ap75``, ``ap_small``,
    ``ap_medium``, ``ap_large``, ``ar1``, ``ar10``, ``ar100`` (COCO), ``voc_ap50``, ``voc07_ap50`` (PASCAL VOC),
    ``ap50_<class>``, ``error_<kind>`` (see ``leyden.metrics.detection.errors``), and

        ``ms_per_image``          from images on the device to answers, milliseconds
        ``ms_per_image_network``  of that, ``outputs`` alone

    Times are those of all test batches, at their size and the run's precision, after the device has finished; the first
    batch goes through once before, so that nothing is paid for that happens only once. Loading and ``inputs`` (such as
    proposals that were made beforehand) are not part of it.

    Args:
        class_names: given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        weights: to start from: "imagenet", a file, or the folder of an earlier run (``leyden.nets.weights``); None
            starts from random ones.
        score_threshold: answers below are dropped.
        nms: "hard": of two answers of one class that overlap too much, the lesser is dropped; "linear" or
            "gaussian": it scores less (``leyden.detection.boxes.soft_nms``).
        nms_iou: from what overlap on; not of "gaussian".
        nms_sigma: of "gaussian".
        max_detections: most answers per image.
        display_threshold: least score of answers that pictures and the confusion matrix show and ``predict`` gives.
        optimizer: "adamw", or "sgd" with momentum 0.9 as in the papers.
        lr: greatest learning rate.
        backbone_lr_factor: the backbone's, as a multiple of it.
        weight_decay: of weights; norms and biases are spared.
        warmup: share of the steps in which the rate grows from 0; then it falls to 0 along a cosine.
        memory_format: "contiguous" or "channels_last"; a technique arranges its network by it when it is built.

    Raises:
        ValueError: there is no such suppression, or its sigma is not above 0.
    """

    monitor: ClassVar[str] = "val/ap"
    mode: ClassVar[Literal["min", "max"]] = "max"
    input_type: ClassVar[str] = "images"

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        weights: str | None = None,
        score_threshold: float = 0.01,
        nms: NMSMethod = "hard",
        nms_iou: float = 0.45,
        nms_sigma: float = 0.5,
        max_detections: int = 200,
        display_threshold: float = 0.5,
        optimizer: Literal["adamw", "sgd"] = "adamw",
        lr: float = 5e-3,
        backbone_lr_factor: float = 1.0,
        weight_decay: float = 1e-2,
        warmup: float = 0.1,
        memory_format: MemoryFormat = "contiguous",
    ) -> None:
        super().__init__()
        self.class_names = class_names
        self.channels = channels
        self.image_size = image_size
        self.weights = weights
        if nms not in NMS_METHODS or nms_sigma <= 0:
            raise ValueError(
                f"model.nms={nms!r}, model.nms_sigma={nms_sigma}: there are {', '.join(NMS_METHODS)}, "
                "and sigma is above 0"
            )
        self.nms: NMSMethod = nms
        self.score_threshold, self.nms_iou, self.nms_sigma, self.max_detections = (
            score_threshold,
            nms_iou,
            nms_sigma,
            max_detections,
        )
        self.display_threshold = display_threshold
        self.optimizer_name, self.lr, self.backbone_lr_factor = optimizer, lr, backbone_lr_factor
        self.weight_decay, self.warmup = weight_decay, warmup
        self.memory_format: MemoryFormat = memory_format
        self._judged = DetectionAccumulator()
        self._shown: tuple[Tensor, list[Target], list[Target]] | None = None
        self._stopwatch = Stopwatch()

    def inputs(self, images: Tensor, targets: list[Target]) -> tuple[Any, ...]:
        """What ``outputs`` takes: the images; a technique on proposals adds those. ``targets`` may be empty dicts."""
        return (images,)

    @abstractmethod
    def outputs(self, *inputs: Any, **more: Any) -> Any:
        """The network's own part, without what follows."""

    @abstractmethod
    def answers(self, outputs: Any) -> list[Target]:
        """What follows the network: decoding, suppression. The answers of each image, in its pixels, best first."""

    def suppressed(
        self, boxes: Iterable[Tensor], scores: Iterable[Tensor], candidates: int | None = None
    ) -> list[Target]:
        """The answers of each image: boxes (P, 4) or (P, C, 4) and scores (P, C) of each, see ``suppress``."""
        least, iou, max_detections, kind, sigma = (
            self.score_threshold,
            self.nms_iou,
            self.max_detections,
            self.nms,
            self.nms_sigma,
        )
        images = zip(boxes, scores, strict=True)
        return [suppress(*image, least, iou, candidates, max_detections, kind, sigma) for image in images]

    def forward(self, *inputs: Any, **more: Any) -> list[Target]:
        """uint8 images (B, C, S, S), and what else ``outputs`` takes, to the answers of each image."""
        return self.answers(self.outputs(*inputs, **more))

    def backbone(self) -> FeatureMaps | None:
        """What takes over ``weights`` and learns at ``backbone_lr_factor``."""
        return next((part for part in self.modules() if isinstance(part, FeatureMaps)), None)

    def load(self, weights: str) -> None:
        """Takes over weights before the first training; the backbone's, where a technique does not say otherwise.

        Raises:
            FileNotFoundError: there are none.
            ValueError: they do not fit, or this network takes none.
        """
        maps = self.backbone()
        if maps is None:
            raise ValueError(f"{type(self).__name__} starts from random weights here: set model.weights=null")
        maps.load(weights)

    def setup(self, stage: str) -> None:
        """Takes over ``weights`` before the first training; what is resumed has learnt further already."""
        if stage == "fit" and self.weights is not None and self.trainer.ckpt_path is None:
            self.load(self.weights)

    def seen(self, images: Tensor) -> tuple[list[Tensor], Sequence[int]]:
        """The feature maps (B, width, f, f) of images, and the strides of each; both empty where there are none."""
        maps = self.backbone()
        return ([], []) if maps is None else (maps(images), maps.strides)

    def log_losses(self, loss: Tensor, **parts: Tensor) -> None:
        """Logs ``train/loss`` and ``train/loss_<part>``, () each, at the steps that Lightning hands to the loggers."""
        if logs_now(self):
            self.log("train/loss", loss.detach(), prog_bar=True)
            self.log_dict({f"train/loss_{name}": part.detach() for name, part in parts.items()})

    def configure_optimizers(self) -> Any:
        """AdamW, or SGD with momentum 0.9; a linear warm-up, then half a cosine to 0."""
        features = self.backbone()
        slow = [] if features is None else list(features.backbone.parameters())
        groups = parameter_groups(self.parameters(), self.lr, self.weight_decay, slow, self.backbone_lr_factor)
        sgd = self.optimizer_name == "sgd"
        optimizer = torch.optim.SGD(groups, self.lr, momentum=0.9) if sgd else torch.optim.AdamW(groups, self.lr)
        schedule = scheduled(
            optimizer, lambda t: warmup_cosine(t, self.warmup), self.trainer.estimated_stepping_batches
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_validation_epoch_start(self) -> None:
        """Forgets what an interrupted validation may have left."""
        self._begin()

    def on_test_epoch_start(self) -> None:
        """Likewise."""
        self._begin()

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Gathers answers."""
        self._gather(batch, self(*self.inputs(*batch)), batch_index)

    def test_step(self, batch: Batch, batch_index: int) -> None:
        """Gathers answers and takes the time."""
        inputs = self.inputs(*batch)
        if batch_index == 0:
            self(*inputs)
        now, device = self._stopwatch.now, self.device
        began = now(device)
        outputs = self.outputs(*inputs)
        between = now(device)
        answers = self.answers(outputs)
        self._stopwatch.add(began, between, now(device), len(answers))
        self._gather(batch, answers, batch_index)

    def on_validation_epoch_end(self) -> None:
        """Computes the precisions of the whole split and draws its first images."""
        scores = detection_scores(*self._judged.whole(), len(self.class_names))
        for name in HEADLINES:
            self.log(f"val/{name}", float(scores[name]), prog_bar=name == "ap50", sync_dist=True)
        self._show("val")

    def on_test_epoch_end(self) -> None:
        """Likewise, by size and by class; says what the errors are, and how long an image takes."""
        numbers = review(self, self.class_names, self.display_threshold, *self._judged.whole())
        numbers |= self._stopwatch.milliseconds()
        self.log_dict({f"test/{name}": value for name, value in numbers.items()}, sync_dist=True)
        self._show("test")

    def show(self, stage: str, images: Tensor, answers: list[Target], targets: list[Target]) -> None:
        """Logs pictures of some images of a split; a technique may add its own.

        Args:
            stage: "val" or "test".
            images: uint8 (N, C, S, S), on the CPU like all else.
            answers: of each image, those that are sure enough.
            targets: of each image.
        """
        found = [match_detections(*pair) for pair in zip(answers, targets, strict=True)]
        tag = "predictions" if stage == "val" else "test_predictions"
        log_image(self, tag, draw_scenes(images, answers, targets, found, self.class_names))
        if stage == "test":
            maps, strides = self.seen(images[:LOOKED_INTO].to(self.device))
            if maps:
                log_image(self, "feature_maps", draw_feature_maps(images[:LOOKED_INTO], maps, strides))

    @torch.no_grad()
    def predict(self, inputs: Sequence[Tensor], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """Boxes in the pixels of each image.

        Args:
            inputs: uint8 (C, H, W) of any size; each is fitted to the network's square.
            options: ``threshold`` is the least score of a detection, 0 to 1; None: ``display_threshold``. Values below
                ``score_threshold`` change nothing, for such detections are dropped already.

        Returns:
            Rows with "width" and "height" of the image in pixels, and, of as many answers as there are, best first,
            "classes", "scores" and "boxes" (xyxy pixels).

        Raises:
            ValueError: the threshold is no score.
        """
        least = self.display_threshold if options.threshold is None else options.threshold
        if not 0 <= least <= 1:
            raise ValueError(f"--threshold {least}: a score from 0 to 1")
        self.eval()
        rows, pictures = [], []
        for start in range(0, len(inputs), AT_ONCE):
            part = inputs[start : start + AT_ONCE]
            fitted = torch.stack([fit_image(image, self.image_size, self.channels) for image in part]).to(self.device)
            for image, answer in zip(part, self(*self.inputs(fitted, [{} for _ in part])), strict=True):
                height, width = image.shape[1:]
                sure = at_least(answer, least)
                sure["boxes"] = sure["boxes"] * (torch.tensor([width, height, width, height]) / self.image_size)
                rows.append(plain_row(sure, width, height, self.class_names))
                pictures.append(draw_boxes(image, sure, self.class_names))
        return Predictions(rows, pictures)

    def prediction_files(self, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
        """COCO's result format of the predictions of many images: file names with their content.

        Args:
            rows: of ``predict``, each also with the "path" of its picture.
        """
        return {"coco.json": json.dumps(coco_json(rows, self.class_names), indent=2)}

    def _begin(self) -> None:
        self._judged.clear()
        self._shown = None
        self._stopwatch.clear()

    def _gather(self, batch: Batch, answers: list[Target], batch_index: int) -> None:
        images, targets = batch
        self._judged.add(answers, targets)
        if batch_index == 0:
            sure = [at_least(answer, self.display_threshold) for answer in answers[:SHOWN]]
            self._shown = images[:SHOWN].cpu(), sure, [_to_cpu(target) for target in targets[:SHOWN]]

    def _show(self, stage: str) -> None:
        if self._shown is not None and self.loggers and self.trainer.is_global_zero:
            self.show(stage, *self._shown)


def _to_cpu(target: Target) -> Target:
    return {key: value.cpu() for key, value in target.items()}
