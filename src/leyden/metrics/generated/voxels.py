"""How like shapes are that are volumes of voxels, each occupied or empty."""

import torch
from torch import Tensor


def voxel_iou(one: Tensor, other: Tensor) -> Tensor:
    """Intersection over union of shapes, voxels or pixels, (N,) float32; 1 where both are empty.

    Args:
        one: (N, ...) bool or 0 and 1.
        other: of that shape, or (1, ...) for all.
    """
    a, b = one.flatten(1).bool(), other.flatten(1).bool()
    union = (a | b).sum(1)
    return torch.where(union > 0, (a & b).sum(1) / union.clamp(min=1), 1.0)


def pairwise_iou(one: Tensor, other: Tensor) -> Tensor:
    """Intersection over union (N, M) of each of the shapes (N, ...) with each of (M, ...); 1 where both are empty."""
    a, b = one.flatten(1).float(), other.flatten(1).float()
    shared = a @ b.T
    union = a.sum(1)[:, None] + b.sum(1) - shared
    return torch.where(union > 0, shared / union.clamp(min=1), 1.0)


def turned_and_mirrored(shapes: Tensor) -> Tensor:
    """Shapes (N, D, D, D) in the 8 positions of quarter turns about the vertical axis and a mirror: (8 N, D, D, D)."""
    turns = [torch.rot90(shapes, quarter, (1, 3)) for quarter in range(4)]
    return torch.cat([*turns, *(turn.flip(3) for turn in turns)])


def distinct(shapes: Tensor) -> int:
    """How many different shapes there are among (N, ...): few where a generator has collapsed."""
    return len(torch.unique(shapes.flatten(1), dim=0))


def best_level(field: Tensor, shapes: Tensor) -> float:
    """The level at which a field (D, D, D) in [0, 1], cut there, has the highest mean IoU with shapes (N, D, D, D).

    A mean of shapes that lie here and there is below one half nearly everywhere: cut there it would be empty, which
    is no floor.
    """
    levels = torch.linspace(0.05, 0.5, 10, device=field.device)
    ious = pairwise_iou(field > levels.view(-1, 1, 1, 1), shapes).mean(1)
    return levels[ious.argmax()].item()
