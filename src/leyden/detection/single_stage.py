"""What the detectors share that answer at every place of an image in one pass: decoding, then suppression."""

import json
from abc import abstractmethod
from typing import Any

from torch import Tensor, nn

from leyden.detection.boxes.batch import Target
from leyden.detection.detector import Detector


class DenseDetector(Detector):
    """Base of the single-shot detectors; a technique gives ``outputs``, ``decoded`` and its loss."""

    @abstractmethod
    def decoded(self, outputs: Any) -> tuple[Tensor, Tensor]:
        """The network's outputs as boxes (B, P, 4), xyxy pixels inside the image, and scores (B, P, C) in 0..1."""

    def answers(self, outputs: Any) -> list[Target]:
        """Those to the answers of each image, in pixels, best first."""
        return self.suppressed(*self.decoded(outputs), 2 * self.keep)

    def graph(self) -> "Graph":
        """What can run elsewhere: all but the suppression, whose number of answers no graph knows beforehand."""
        return Graph(self)


class Graph(nn.Module):
    """uint8 images (B, C, S, S) to ``DenseDetector.decoded``; any B.

    Attributes:
        names: of the two outputs.
        facts: what ``leyden.detection.boxes.batch.suppress`` needs besides.
    """

    names = ("boxes", "scores")

    def __init__(self, detector: DenseDetector) -> None:
        super().__init__()
        self.detector = detector
        self.train(detector.training)
        words = ("least_score", "nms_iou", "keep", "suppression", "nms_sigma")
        self.facts = {"suppression": json.dumps({word: getattr(detector, word) for word in words})}

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes (B, P, 4) and scores (B, P, C)."""
        return self.detector.decoded(self.detector.outputs(images))
