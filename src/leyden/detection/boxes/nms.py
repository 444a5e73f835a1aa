"""Non-maximum suppression: which of many overlapping boxes of an image are its detections."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import batched_nms

from leyden.detection.boxes.batch import Detections
from leyden.detection.boxes.soft_nms import NMS_METHODS, NMSMethod, soft_nms


@dataclass(frozen=True, kw_only=True)
class NMSOptions:
    """What remains of the boxes that a network predicts.

    Raises:
        ValueError: there is no such method, or sigma is not above 0.
    """

    score_threshold: float = 0.01
    """Boxes that score no more are dropped."""
    nms: NMSMethod = "hard"
    """ "hard": of two boxes of one class that overlap too much the lesser is dropped (greedy); "linear" or "gaussian":
    its score falls (``leyden.detection.boxes.soft_nms``)."""
    nms_iou: float = 0.45
    """From what overlap on: "hard" drops above it, "linear" lowers scores from it on; "gaussian" has none."""
    nms_sigma: float = 0.5
    """Of "gaussian": the greater, the less scores fall."""
    max_detections: int = 200
    """Most detections of an image."""

    def __post_init__(self) -> None:
        if self.nms not in NMS_METHODS or self.nms_sigma <= 0:
            raise ValueError(
                f"model.nms={self.nms!r}, model.nms_sigma={self.nms_sigma}: there are {', '.join(NMS_METHODS)}, "
                "and sigma is above 0"
            )


def non_max_suppression(
    boxes: Tensor, scores: Tensor, options: NMSOptions, candidates: int | None = None
) -> Detections:
    """The detections of one image: confident boxes that no better box of their class overlaps too much.

    Args:
        boxes: (P, 4) xyxy, the same for all classes; or (P, C, 4), where each class has its own.
        scores: (P, C) probabilities of the classes, without background.
        options: thresholds and the method.
        candidates: best boxes of each class that are looked at; None: all.

    Returns:
        boxes (n, 4), labels (n,) 0..C-1 and scores (n,), best first.
    """
    if candidates is None:
        best, places = scores, torch.arange(len(scores), device=scores.device)[:, None].expand_as(scores)
    else:
        best, places = scores.topk(min(candidates, len(scores)), dim=0)
    own = boxes[:, None].expand(-1, scores.shape[1], -1) if boxes.ndim == 2 else boxes
    if options.nms != "hard":
        chosen = own.gather(0, places[..., None].expand(-1, -1, 4))
        best = soft_nms(chosen.transpose(0, 1), best.T, options.score_threshold, options.nms_iou, options.nms,
                        options.nms_sigma).T  # fmt: skip
    rank, labels = (best > options.score_threshold).nonzero(as_tuple=True)
    sure, placed = best[rank, labels], own[places[rank, labels], labels]
    if options.nms == "hard":
        kept = batched_nms(placed, sure, labels, options.nms_iou)
    else:
        kept = sure.argsort(descending=True, stable=True)
    kept = kept[: options.max_detections]
    return {"boxes": placed[kept], "labels": labels[kept], "scores": sure[kept]}


def confident(detections: Detections, threshold: float) -> Detections:
    """The detections that score at least ``threshold``, on the CPU."""
    sure = detections["scores"] >= threshold
    return {key: value[sure].cpu() for key, value in detections.items()}
