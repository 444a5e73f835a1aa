"""Which of many regions a step learns from."""

import torch
from torch import Tensor


def draw(classes: Tensor, count: int, positive_fraction: float) -> Tensor:
    """A random sample of each image's regions; background fills up what objects leave.

    Args:
        classes: (B, R) int64: above 0 objects, 0 background, below 0 never drawn.
        count: so many regions per image, or fewer where there are not enough.
        positive_fraction: of these, so many are objects at most, rounded.

    Returns:
        (B, R) bool: drawn. By torch's own random numbers, without repetition.
    """
    things = _some(classes > 0, round(positive_fraction * count))
    return things | _some(classes == 0, count - things.sum(1, keepdim=True))


def _some(among: Tensor, quota: int | Tensor) -> Tensor:
    """So many random members of each row of ``among`` (B, R) bool; all of them where there are fewer."""
    # Keys from [1, 2) for members, 0 for all else, so that the greatest ones are random members.
    order = torch.rand(among.shape, device=among.device).add_(1).mul_(among).argsort(1, descending=True)
    first = torch.arange(among.shape[1], device=among.device) < quota
    return torch.zeros_like(among).scatter_(1, order, first.expand_as(among)) & among
