"""Boxes in batches: the ragged lists of a batch as one padded tensor, and what is kept of many overlapping answers.

Corners are continuous: width = x2 - x1, without the "+ 1" of the Caffe era.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import batched_nms

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


def suppress(boxes: Tensor, scores: Tensor, least_score: float, iou: float, candidates: int, keep: int) -> Target:
    """The answers for one image: confident, the best of those that overlap, class by class.

    Args:
        boxes: (P, 4) xyxy, of all classes alike.
        scores: (P, C) probabilities of the classes, without background.
        least_score: what scores less is dropped.
        iou: of two boxes of one class that overlap more, the lesser is dropped (greedy non-maximum suppression).
        candidates: best boxes per class that suppression looks at.
        keep: best boxes of all classes that remain.

    Returns:
        boxes (n, 4), labels (n,) 0..C-1 and scores (n,), best first.
    """
    best, places = scores.topk(min(candidates, len(scores)), dim=0)
    rank, labels = (best > least_score).nonzero(as_tuple=True)
    chosen_scores, places = best[rank, labels], places[rank, labels]
    kept = batched_nms(boxes[places], chosen_scores, labels, iou)[:keep]
    return {"boxes": boxes[places[kept]], "labels": labels[kept], "scores": chosen_scores[kept]}
