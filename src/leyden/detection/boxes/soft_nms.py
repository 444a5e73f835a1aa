"""Soft non-maximum suppression (Bodla et al. 2017, "Soft-NMS -- Improving Object Detection With One Line of Code").

Greedy suppression drops what overlaps a better answer of its class too much, and with it the other one of two objects
that stand close together. Here it only scores less, the less the more it overlaps (section 3):

    linear      s_i (1 - IoU(M, b_i)) where IoU(M, b_i) >= N_t          gaussian    s_i exp(-IoU(M, b_i)^2 / sigma)

for each M in turn, the best answer that is left. What falls below the least score is dropped, as in the authors' code.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

NMSMethod = Literal["hard", "linear", "gaussian"]
NMS_METHODS: tuple[NMSMethod, ...] = get_args(NMSMethod)


def softened(
    boxes: Tensor, scores: Tensor, score_threshold: float, iou: float, kind: NMSMethod = "gaussian", sigma: float = 0.5
) -> Tensor:
    """The scores that are left; all classes at once, each for itself.

    Args:
        boxes: (C, n, 4) xyxy, candidates of C classes, in any order.
        scores: (C, n), 0 or more.
        score_threshold: once the best of what is left has no more than this, the rest keeps a score of no more than it.
        iou: N_t of "linear".
        kind: "linear" or "gaussian".
        sigma: of "gaussian".

    Returns:
        (C, n), none above its own score before.
    """
    left, taken = scores.clone(), torch.zeros_like(scores, dtype=torch.bool)
    low, high = boxes[..., :2], boxes[..., 2:]
    area = (high - low).prod(2)
    for _ in range(scores.shape[1]):
        best, place = left.masked_fill(taken, -1).max(1, keepdim=True)
        if not (best > score_threshold).any():
            break
        corner = place[..., None].expand(-1, -1, 2)
        shared = torch.minimum(high, high.gather(1, corner)) - torch.maximum(low, low.gather(1, corner))
        shared = shared.clamp_(min=0).prod(2)
        union = area + area.gather(1, place) - shared
        overlap = shared / union.clamp(min=torch.finfo(union.dtype).tiny)  # boxes without an area overlap nothing
        taken.scatter_(1, place, True)
        gentler = torch.where(overlap >= iou, 1 - overlap, 1) if kind == "linear" else (-(overlap**2) / sigma).exp()
        left = torch.where(taken, left, left * gentler)
    return left
