"""What a student has in common with its teacher besides probabilities: feature maps, places of attention."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def hint_loss(guided: Tensor, hint: Tensor) -> Tensor:
    """Half the squared distance of two maps (Romero et al. 2015, eq. 3), as a mean over their elements.

    The mean, where the paper has the sum, so that the learning rate does not depend on the maps' size.

    Args:
        guided: the student's map (B, C, H, W) or vector (B, C), behind the regressor.
        hint: the teacher's, of the same channels; no gradient reaches it.

    Returns:
        () loss.
    """
    guided, hint = same_size(guided, hint.detach())
    return F.mse_loss(guided, hint) / 2


def attention_map(maps: Tensor) -> Tensor:
    """Where a map is active: sum over channels of the squares, flattened, of length 1.

    Zagoruyko and Komodakis 2017, F_sum^2 of sec. 3.1.

    Args:
        maps: (B, C, H, W).

    Returns:
        (B, H W) >= 0, each row of Euclidean length 1.
    """
    return F.normalize(maps.square().sum(1).flatten(1))


def attention_loss(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """Mean squared difference of attention maps, summed over pairs of stages (Zagoruyko and Komodakis 2017, eq. 2).

    As the authors' code has it: the mean over places and images of the squared differences; with their beta of 1000 it
    is the paper's "10^3 divided by the number of elements". Where two maps differ in size, the larger is pooled.

    Args:
        student: maps (B, C, H, W), one per pair; the channels need not be the teacher's.
        teacher: likewise; no gradient reaches them.

    Returns:
        () loss.

    Raises:
        ValueError: another number of maps.
    """
    if len(student) != len(teacher):
        raise ValueError(f"{len(student)} maps of the student, {len(teacher)} of the teacher: give pairs")
    losses = []
    for own, theirs in zip(student, teacher, strict=True):
        own, theirs = same_size(own, theirs.detach())
        losses.append(F.mse_loss(attention_map(own), attention_map(theirs)))
    return torch.stack(losses).sum()


def same_size(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Two maps (B, C, H, W), or vectors (B, C) as they are, of which the larger is averaged down to the smaller."""
    if one.dim() != 4 or other.dim() != 4:
        return one, other
    height, width = (min(sides) for sides in zip(one.shape[2:], other.shape[2:], strict=True))
    return F.adaptive_avg_pool2d(one, (height, width)), F.adaptive_avg_pool2d(other, (height, width))
