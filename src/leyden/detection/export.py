"""The part of a single-shot detector that leaves PyTorch: everything before non-maximum suppression."""

import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from torch import Tensor, nn

from leyden.core.technique import Exportable
from leyden.detection.boxes.nms import NMSOptions
from leyden.detection.detector import Detector

Decode = Callable[[Any], tuple[Tensor, Tensor]]
"""A network's outputs to boxes (B, P, 4), xyxy pixels inside the image, and scores (B, P, C) in 0..1."""


def export_before_nms(detector: Detector, decode: Decode) -> Exportable:
    """The network of a detector and its decoding, with the options of NMS as metadata.

    NMS stays outside: no traced network knows the number of detections beforehand.
    """
    options = {field.name: getattr(detector.options, field.name) for field in fields(NMSOptions)}
    metadata = {"class_names": json.dumps(detector.class_names), "nms": json.dumps(options)}
    network = BeforeNMS(detector, decode)
    return Exportable(network, detector.channels, detector.image_size, ("boxes", "scores"), metadata)


class BeforeNMS(nn.Module):
    """uint8 images (B, C, S, S), any B, to boxes (B, P, 4) in pixels, xyxy, and scores (B, P, C) of the classes."""

    def __init__(self, detector: Detector, decode: Decode) -> None:
        super().__init__()
        self.detector, self.decode = detector, decode
        self.train(detector.training)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes and scores of all places, most of them with nothing there."""
        return self.decode(self.detector.outputs(images))
