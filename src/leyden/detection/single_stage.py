"""What the detectors share that answer at every place of an image in one pass: decoding, then suppression."""

import json
from abc import abstractmethod
from typing import Any

from torch import Tensor, nn

from leyden.core.technique import Exportable
from leyden.detection.boxes.batch import Target
from leyden.detection.detector import Detector


class SingleStageDetector(Detector):
    """Base of the single-shot detectors; a technique gives ``outputs``, ``decoded`` and its loss."""

    @abstractmethod
    def decoded(self, outputs: Any) -> tuple[Tensor, Tensor]:
        """The network's outputs as boxes (B, P, 4), xyxy pixels inside the image, and scores (B, P, C) in 0..1."""

    def answers(self, outputs: Any) -> list[Target]:
        """Those to the answers of each image, in pixels, best first."""
        return self.suppressed(*self.decoded(outputs), 2 * self.max_detections)

    def export_network(self) -> Exportable:
        """All but the suppression, whose number of detections no traced network knows beforehand."""
        options = ("score_threshold", "nms_iou", "max_detections", "nms", "nms_sigma")
        metadata = {
            "class_names": json.dumps(self.class_names),
            "nms": json.dumps({name: getattr(self, name) for name in options}),
        }
        return Exportable(BeforeNMS(self), self.channels, self.image_size, ("boxes", "scores"), metadata)


class BeforeNMS(nn.Module):
    """uint8 images (B, C, S, S) to ``SingleStageDetector.decoded``; any B."""

    def __init__(self, detector: SingleStageDetector) -> None:
        super().__init__()
        self.detector = detector
        self.train(detector.training)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes (B, P, 4) and scores (B, P, C)."""
        return self.detector.decoded(self.detector.outputs(images))
