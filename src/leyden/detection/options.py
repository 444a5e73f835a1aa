"""The settings that all detectors have, as ``conf/model/detection/_common.yaml`` has them."""

from typing import Literal, TypedDict

from leyden.detection.boxes.soft_nms import Suppression
from leyden.nets.memory_format import MemoryFormat


class Common(TypedDict, total=False):
    """What every detector takes beside its own; ``Detector`` says what each means."""

    weights: str | None
    least_score: float
    suppression: Suppression
    nms_iou: float
    nms_sigma: float
    keep: int
    shown_score: float
    optimizer: Literal["adamw", "sgd"]
    lr: float
    lr_backbone: float
    weight_decay: float
    warmup: float
    memory_format: MemoryFormat
