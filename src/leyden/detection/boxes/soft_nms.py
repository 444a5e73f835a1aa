"""Soft non-maximum suppression (Bodla et al. 2017, "Soft-NMS -- Improving Object Detection With One Line of Code").

Greedy suppression drops a box that overlaps a better one of its class too much, and with it the second of two objects
that stand close together. Here its score only falls, the more the two overlap (section 3):

    linear      s_i (1 - IoU(M, b_i)) where IoU(M, b_i) >= N_t          gaussian    s_i exp(-IoU(M, b_i)^2 / sigma)

for each M in turn, the best box that is left. Boxes whose score falls below the threshold are dropped, as in the
authors' code.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

NMSMethod = Literal["hard", "linear", "gaussian"]
NMS_METHODS: tuple[NMSMethod, ...] = get_args(NMSMethod)


def soft_nms(
    boxes: Tensor,
    scores: Tensor,
    score_threshold: float,
    iou: float,
    method: NMSMethod = "gaussian",
    sigma: float = 0.5,
) -> Tensor:
    """The scores after suppression; all classes at once, each for itself.

    Args:
        boxes: (C, n, 4) xyxy, candidates of C classes, in any order.
        scores: (C, n), 0 or more.
        score_threshold: once the best box that is left scores no more than this, the others keep scores below it.
        iou: N_t of "linear".
        method: "linear" or "gaussian".
        sigma: of "gaussian".

    Returns:
        (C, n), none above its score before.
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
        factor = torch.where(overlap >= iou, 1 - overlap, 1) if method == "linear" else (-(overlap**2) / sigma).exp()
        left = torch.where(taken, left, left * factor)
    return left
