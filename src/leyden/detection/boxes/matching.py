"""Matching of SSD's default boxes to objects."""

import torch
from torch import Tensor

BACKGROUND = -1


def bipartite(iou: Tensor, valid: Tensor) -> Tensor:
    """A prior of its own for every object, best pair first (the greedy bipartite matching of SSD's code).

    Where two objects have the same best prior, the better pair gets it and the other object takes the best prior that
    is left. (The usual shortcut, ``match[best_prior] = object``, loses one of them.)

    Args:
        iou: (B, M, P) overlap of objects and priors.
        valid: (B, M) bool: what is not padding.

    Returns:
        (B, M) int64 prior of each object; -1 for padding and for objects that overlap no free prior.
    """
    free = iou.masked_fill(~valid[..., None], 0)
    best, prior = free.max(2)
    match = torch.full_like(prior, -1)
    for _ in range(iou.shape[1]):
        score, chosen = best.max(1)
        images = (score > 0).nonzero().flatten()
        if len(images) == 0:
            break
        chosen = chosen[images]
        taken = prior[images, chosen]
        match[images, chosen] = taken
        free[images, :, taken] = 0
        free[images, chosen] = 0
        best[images, chosen] = 0
        # Only objects whose best prior was just taken need another.
        stale = torch.zeros_like(valid)
        stale[images] = (prior[images] == taken[:, None]) & (best[images] > 0)
        if stale.any():
            best[stale], prior[stale] = free[stale].max(1)
    return match


def match_priors(iou: Tensor, valid: Tensor, threshold: float = 0.5) -> Tensor:
    """SSD's matching (Liu et al. 2016, section 2.2): each object's best prior, and every prior that overlaps enough.

    Args:
        iou: (B, M, P) overlap of objects and priors.
        valid: (B, M) bool: what is not padding.
        threshold: a prior also belongs to the object that it overlaps most if their overlap is greater than this.

    Returns:
        (B, P) int64 index of the object of each prior, ``BACKGROUND`` (-1) where there is none.
    """
    overlap, match = iou.masked_fill(~valid[..., None], -1).max(1)
    match[overlap <= threshold] = BACKGROUND
    own_prior = bipartite(iou, valid)
    image, index = (own_prior >= 0).nonzero(as_tuple=True)
    match[image, own_prior[image, index]] = index
    return match
