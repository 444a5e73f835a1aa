"""The options that every detector has, each documented once, at its field.

A detector takes them flat through ``**options: Unpack[DetectorKwargs]`` (in YAML ``model.nms_iou``) and keeps them as
``self.options``. A technique that starts from other values has them in a dataclass of its own, its ``options_type``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

from leyden.detection.boxes.nms import NMSOptions
from leyden.detection.boxes.soft_nms import NMSMethod
from leyden.detection.nets.backbone_features import BackboneOptions
from leyden.nets.memory_format import MemoryFormat

Optimizer = Literal["adamw", "sgd"]


@dataclass(frozen=True, kw_only=True)
class OptimizerOptions:
    """The optimizer and its learning rate."""

    optimizer: Optimizer = "adamw"
    """ "adamw", or "sgd" with momentum 0.9 as in the papers."""
    lr: float = 5e-3
    """Greatest learning rate."""
    backbone_lr_factor: float = 1.0
    """The backbone's learning rate as a multiple of ``lr``; 0.1 to 0.5 where it starts from weights."""
    weight_decay: float = 1e-2
    """Of weights; norms and biases have none."""
    warmup: float = 0.1
    """Part of the steps in which the rate grows from 0; then it falls to 0 along half a cosine."""


@dataclass(frozen=True, kw_only=True)
class DetectorOptions(BackboneOptions, NMSOptions, OptimizerOptions):
    """All options that detectors share."""

    weights: str | None = None
    """Where the backbone's weights come from: "imagenet", a file, or the folder of an earlier run
    (``leyden.nets.weights``); None starts from random ones."""
    display_threshold: float = 0.5
    """Least score of the detections in images, in the confusion matrix and in ``predict``."""
    memory_format: MemoryFormat = "contiguous"
    """Layout of the network's weights: "contiguous" or "channels_last" (``leyden.nets.memory_format``)."""


class DetectorKwargs(TypedDict, total=False):
    """Names and types of ``DetectorOptions`` for ``Unpack``, which takes no dataclass (PEP 692); a test compares."""

    backbone: str
    frozen_stages: int
    widths: Sequence[int] | None
    blocks: Sequence[int] | None
    weights: str | None
    score_threshold: float
    nms: NMSMethod
    nms_iou: float
    nms_sigma: float
    max_detections: int
    display_threshold: float
    optimizer: Optimizer
    lr: float
    backbone_lr_factor: float
    weight_decay: float
    warmup: float
    memory_format: MemoryFormat
