"""The base of all detectors: they learn, are evaluated, drawn and asked in the same way, so they can be compared."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal, Unpack

import torch
from lightning import LightningModule
from torch import Tensor

from leyden.core.optim import parameter_groups, scheduled, warmup_cosine
from leyden.core.technique import NO_OPTIONS, Predictions, PredictOptions
from leyden.data.columns import Scenes, Target
from leyden.data.splits import fit_image
from leyden.detection.boxes.batch import Detections
from leyden.detection.boxes.nms import non_max_suppression
from leyden.detection.evaluation.evaluator import DetectionEvaluator, Examples
from leyden.detection.evaluation.predictions import coco_json, prediction
from leyden.detection.nets.backbone_features import BackboneFeatures
from leyden.detection.options import DetectorKwargs, DetectorOptions
from leyden.visualization.detection.feature_maps import draw_feature_maps
from leyden.visualization.logging import log_image, logs_now

AT_ONCE = 16
"""Images that ``predict`` gives the network together."""
MAPS_DRAWN = 4
"""Images whose feature maps are drawn."""


class Detector(LightningModule, ABC):
    """Base of the detectors: steps, optimizer, predictions; it has an evaluator and options for NMS.

    A technique gives the network's part (``outputs``), what follows it (``postprocess``), and its loss
    (``training_step``). A test logs, of the whole split and of all ranks together, ``test/ap``, ``ap50``, ``ap75``,
    ``ap_small``, ``ap_medium``, ``ap_large``, ``ar1``, ``ar10``, ``ar100`` (COCO), ``voc_ap50``, ``voc07_ap50`` (PASCAL
    VOC), ``ap50_<class>``, ``error_<kind>`` (``leyden.metrics.detection.errors``), ``ms_per_image`` from images on the
    device to detections, and of that ``ms_per_image_network`` for ``outputs`` alone. Times are those of the test
    batches, at their size and the run's precision, without loading and without ``inputs``.

    Args:
        class_names: given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        options: the fields of ``options_type``.

    Raises:
        ValueError: there is no such kind of non-maximum suppression, or its sigma is not above 0.
    """

    monitor: ClassVar[str] = "val/ap"
    mode: ClassVar[Literal["min", "max"]] = "max"
    input_type: ClassVar[str] = "images"
    main_image: ClassVar[str] = "test_predictions"
    options_type: ClassVar[type[DetectorOptions]] = DetectorOptions
    """The dataclass that keeps ``**options``, and has their defaults."""

    def __init__(
        self, class_names: list[str], channels: int, image_size: int, **options: Unpack[DetectorKwargs]
    ) -> None:
        super().__init__()
        self.class_names, self.channels, self.image_size = class_names, channels, image_size
        self.options = self.options_type(**options)
        self.evaluator = DetectionEvaluator(class_names, self.options.display_threshold)

    def inputs(self, images: Tensor, targets: list[Target]) -> tuple[Any, ...]:
        """What ``outputs`` takes: the images; a technique on proposals adds those. ``targets`` may be empty dicts."""
        return (images,)

    @abstractmethod
    def outputs(self, *inputs: Any) -> Any:
        """The network's own part, without what follows."""

    @abstractmethod
    def postprocess(self, outputs: Any) -> list[Detections]:
        """What follows the network: decoding and NMS. The detections of each image, in its pixels, best first."""

    def forward(self, *inputs: Any) -> list[Detections]:
        """uint8 images (B, C, S, S), and what else ``outputs`` takes, to the detections of each image."""
        return self.postprocess(self.outputs(*inputs))

    def nms(self, boxes: Iterable[Tensor], scores: Iterable[Tensor], candidates: int | None = None) -> list[Detections]:
        """The detections of each image after non-maximum suppression by this detector's options.

        Args:
            boxes: (P, 4) or (P, C, 4) of each image.
            scores: (P, C) of each image.
            candidates: best boxes of each class that are looked at; None: all.
        """
        pairs = zip(boxes, scores, strict=True)
        return [non_max_suppression(*image, self.options, candidates) for image in pairs]

    def backbone(self) -> BackboneFeatures | None:
        """The part that starts from ``weights`` and learns at ``backbone_lr_factor``; None if there is none."""
        return next((part for part in self.modules() if isinstance(part, BackboneFeatures)), None)

    def feature_maps(self, images: Tensor) -> tuple[list[Tensor], Sequence[int]]:
        """The feature maps (B, width, f, f) of images, and the strides of each; both empty where there are none."""
        backbone = self.backbone()
        return ([], []) if backbone is None else (backbone(images), backbone.strides)

    def load_pretrained(self, weights: str) -> None:
        """Starts from weights: the backbone's, where a technique does not say otherwise.

        Raises:
            FileNotFoundError: there are none.
            ValueError: they do not fit, or this network takes none.
        """
        backbone = self.backbone()
        if backbone is None:
            raise ValueError(f"{type(self).__name__} starts from random weights here: set model.weights=null")
        backbone.load_pretrained(weights)

    def setup(self, stage: str) -> None:
        """Loads ``weights`` before the first training; a resumed run has its own in the checkpoint."""
        if stage == "fit" and self.options.weights is not None and self.trainer.ckpt_path is None:
            self.load_pretrained(self.options.weights)

    def configure_optimizers(self) -> Any:
        """AdamW, or SGD with momentum 0.9; the rate grows linearly, then falls to 0 along half a cosine."""
        options, backbone = self.options, self.backbone()
        slow = [] if backbone is None else list(backbone.backbone.parameters())
        groups = parameter_groups(self.parameters(), options.lr, options.weight_decay, slow, options.backbone_lr_factor)
        optimizer = (
            torch.optim.SGD(groups, options.lr, momentum=0.9, fused=True)
            if options.optimizer == "sgd"
            else torch.optim.AdamW(groups, options.lr, fused=True)
        )
        steps = self.trainer.estimated_stepping_batches
        schedule = scheduled(optimizer, lambda t: warmup_cosine(t, options.warmup), steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def log_losses(self, loss: Tensor, **parts: Tensor) -> None:
        """Logs ``train/loss`` and ``train/loss_<part>``, () each, at the steps that Lightning hands to the loggers."""
        if logs_now(self):
            self.log("train/loss", loss.detach(), prog_bar=True)
            self.log_dict({f"train/loss_{name}": part.detach() for name, part in parts.items()})

    def on_validation_epoch_start(self) -> None:
        """Starts an evaluation."""
        self.evaluator.reset()

    def on_test_epoch_start(self) -> None:
        """Starts an evaluation."""
        self.evaluator.reset()

    def validation_step(self, batch: Scenes, batch_index: int) -> None:
        """Gathers detections."""
        images, targets = batch
        self.evaluator.add(images, self(*self.inputs(images, targets)), targets)

    def test_step(self, batch: Scenes, batch_index: int) -> None:
        """Gathers detections and measures their time."""
        images, targets = batch
        inputs = self.inputs(images, targets)
        self.evaluator.add(images, self.evaluator.timed(self.outputs, self.postprocess, inputs, self.device), targets)

    def on_validation_epoch_end(self) -> None:
        """Logs the average precisions of the whole split and draws its first images."""
        for name, score in self.evaluator.headlines().items():
            self.log(f"val/{name}", score, prog_bar=name == "ap50", sync_dist=True)
        self._draw("val")

    def on_test_epoch_end(self) -> None:
        """Logs all scores, by size and by class, kinds of errors, time per image; draws its first images."""
        report = self.evaluator.report(self)
        self.log_dict({f"test/{name}": value for name, value in report.items()}, sync_dist=True)
        self._draw("test")

    def log_examples(self, stage: str, examples: Examples) -> None:
        """Logs images of some examples of a split; a technique may add its own.

        Args:
            stage: "val" or "test".
            examples: of that split.
        """
        self.evaluator.log_examples(self, stage)
        if stage == "test":
            images = examples.images[:MAPS_DRAWN]
            maps, strides = self.feature_maps(images.to(self.device))
            if maps:
                log_image(self, "feature_maps", draw_feature_maps(images, maps, strides))

    def _draw(self, stage: str) -> None:
        if self.evaluator.examples is not None and self.loggers and self.trainer.is_global_zero:
            self.log_examples(stage, self.evaluator.examples)

    @torch.no_grad()
    def predict(self, inputs: Sequence[Tensor], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """Boxes in the pixels of each image.

        Args:
            inputs: uint8 (C, H, W) of any size; each is fitted to the network's square.
            options: ``threshold`` is the least score of a detection, 0 to 1; None: ``display_threshold``. Values below
                ``score_threshold`` change nothing, for such detections are dropped already.

        Returns:
            Rows with "width" and "height" of the image in pixels, and, of its detections, best first, "classes",
            "scores" and "boxes" (xyxy pixels).

        Raises:
            ValueError: the threshold is no score, or another option is given.
        """
        options.only(self, "threshold")
        threshold = self.options.display_threshold if options.threshold is None else options.threshold
        if not 0 <= threshold <= 1:
            raise ValueError(f"--threshold {threshold}: a score from 0 to 1")
        self.eval()
        predictions = Predictions([], [])
        for start in range(0, len(inputs), AT_ONCE):
            part = inputs[start : start + AT_ONCE]
            fitted = torch.stack([fit_image(image, self.image_size, self.channels) for image in part]).to(self.device)
            for image, detections in zip(part, self(*self.inputs(fitted, [{} for _ in part])), strict=True):
                row, drawn = prediction(image, detections, threshold, self.image_size, self.class_names)
                predictions.rows.append(row)
                predictions.images.append(drawn)
        return predictions

    def prediction_files(self, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
        """COCO's result format of the predictions of many images: file names with their content.

        Args:
            rows: of ``predict``, each also with the "path" of its image.
        """
        return {"coco.json": json.dumps(coco_json(rows, self.class_names), indent=2)}
