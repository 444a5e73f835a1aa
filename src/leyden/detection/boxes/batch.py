"""Boxes in batches: the ragged lists of a batch as one padded tensor, and what is kept of many overlapping answers.

Corners are continuous: width = x2 - x1, without the "+ 1" of the Caffe era.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import batched_nms

from leyden.detection.boxes.soft_nms import NMSMethod, softened

Target = dict[str, Tensor]
"""{"boxes": (n, 4) float32 xyxy pixels, "labels": (n,) int64}, for answers also "scores": (n,) float32."""


class Padded(NamedTuple):
    """The objects of B images, padded to the greatest number M of them."""

    boxes: Tensor
    """(B, M, 4) xyxy; (0, 0, 1, 1) where there is no object."""
    labels: Tensor
    """(B, M) int64; 0 where there is no object."""
    real: Tensor
    """(B, M) bool: an object is there."""


def pad(targets: list[Target], scale: float = 1.0) -> Padded:
    """Gathers the targets of a batch; boxes are multiplied by ``scale``. M is at least 1."""
    counts = torch.tensor([len(target["labels"]) for target in targets])
    real = torch.arange(max(1, int(counts.max()))) < counts[:, None]
    device = targets[0]["boxes"].device
    real = real.to(device)
    boxes = torch.tensor([0.0, 0.0, 1.0, 1.0], device=device).repeat(*real.shape, 1)
    labels = torch.zeros(real.shape, dtype=torch.int64, device=device)
    boxes[real] = torch.cat([target["boxes"] for target in targets]).float() * scale
    labels[real] = torch.cat([target["labels"] for target in targets])
    return Padded(boxes, labels, real)


def suppress(
    boxes: Tensor,
    scores: Tensor,
    score_threshold: float,
    iou: float,
    candidates: int | None,
    max_detections: int,
    kind: NMSMethod = "hard",
    sigma: float = 0.5,
) -> Target:
    """The answers for one image: confident, and of those that overlap the best alone or above all, class by class.

    Args:
        boxes: (P, 4) xyxy, of all classes alike; or (P, C, 4), where each class has its own.
        scores: (P, C) probabilities of the classes, without background.
        score_threshold: what scores no more is dropped.
        iou: "hard": of two boxes of one class that overlap more, the lesser is dropped (greedy non-maximum
            suppression); "linear": of two that overlap as much, the lesser scores less.
        candidates: best boxes per class that suppression looks at; None: all.
        max_detections: best boxes of all classes that remain.
        kind: "hard"; "linear" or "gaussian" where the lesser scores less (``leyden.detection.boxes.soft_nms``).
        sigma: of "gaussian".

    Returns:
        boxes (n, 4), labels (n,) 0..C-1 and scores (n,), best first.
    """
    if candidates is None:
        best, places = scores, torch.arange(len(scores), device=scores.device)[:, None].expand_as(scores)
    else:
        best, places = scores.topk(min(candidates, len(scores)), dim=0)
    own = boxes[:, None].expand(-1, scores.shape[1], -1) if boxes.ndim == 2 else boxes
    if kind != "hard":
        chosen = own.gather(0, places[..., None].expand(-1, -1, 4))
        best = softened(chosen.transpose(0, 1), best.T, score_threshold, iou, kind, sigma).T
    rank, labels = (best > score_threshold).nonzero(as_tuple=True)
    sure, placed = best[rank, labels], own[places[rank, labels], labels]
    kept = batched_nms(placed, sure, labels, iou) if kind == "hard" else sure.argsort(descending=True, stable=True)
    kept = kept[:max_detections]
    return {"boxes": placed[kept], "labels": labels[kept], "scores": sure[kept]}


def at_least(answer: Target, score: float) -> Target:
    """The answers that are sure enough, on the CPU."""
    sure = answer["scores"] >= score
    return {key: value[sure].cpu() for key, value in answer.items()}
