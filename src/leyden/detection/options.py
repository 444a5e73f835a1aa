"""The settings that all detectors have, as ``conf/model/detection/_common.yaml`` has them."""

from typing import Literal, TypedDict

from leyden.detection.boxes.soft_nms import NMSMethod
from leyden.nets.memory_format import MemoryFormat


class Common(TypedDict, total=False):
    """What every detector takes beside its own; ``Detector`` says what each means."""

    weights: str | None
    score_threshold: float
    nms: NMSMethod
    nms_iou: float
    nms_sigma: float
    max_detections: int
    display_threshold: float
    optimizer: Literal["adamw", "sgd"]
    lr: float
    backbone_lr_factor: float
    weight_decay: float
    warmup: float
    memory_format: MemoryFormat
