"""Random samples of the regions that a step learns from."""

import torch
from torch import Tensor


def sample(classes: Tensor, count: int, positive_fraction: float) -> Tensor:
    """A random sample of each image's regions; background fills up what objects leave.

    Args:
        classes: (B, R) int64: above 0 objects, 0 background, below 0 never sampled.
        count: so many regions per image, or fewer where there are not enough.
        positive_fraction: at most this part of them are objects, rounded.

    Returns:
        (B, R) bool: sampled. By torch's own random numbers, without repetition.
    """
    objects = _random_subset(classes > 0, round(positive_fraction * count))
    return objects | _random_subset(classes == 0, count - objects.sum(1, keepdim=True))


def _random_subset(among: Tensor, quota: int | Tensor) -> Tensor:
    """So many random members of each row of ``among`` (B, R) bool; all of them where there are fewer."""
    # Keys from [1, 2) for members, 0 for all else, so that the greatest ones are random members.
    order = torch.rand(among.shape, device=among.device).add_(1).mul_(among).argsort(1, descending=True)
    first = torch.arange(among.shape[1], device=among.device) < quota
    return torch.zeros_like(among).scatter_(1, order, first.expand_as(among)) & among
