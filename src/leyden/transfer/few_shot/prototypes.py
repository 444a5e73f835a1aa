"""Prototypes and the distances to them (Snell, Swersky, Zemel 2017)."""

from torch import Tensor
from torch.nn import functional as F


def prototypes(features: Tensor, labels: Tensor) -> Tensor:
    """The mean feature of each class (Snell et al. 2017, eq. 1).

    Args:
        features: (S, D) of support examples.
        labels: (S,) int64, 0 .. N - 1; each class has an example at least.

    Returns:
        (N, D).
    """
    members = F.one_hot(labels).to(features.dtype)  # (S, N)
    return members.T @ features / members.sum(0)[:, None]


def prototype_logits(queries: Tensor, centres: Tensor) -> Tensor:
    """Logits (Q, N) of queries (Q, D): minus the squared Euclidean distances to prototypes (N, D) (eq. 2).

    Squared, because then they are linear in the query but for a term that all classes share (sec. 2.4); plain
    distances choose the same class, but make another, flatter loss.
    """
    return -(queries[:, None] - centres[None]).square().sum(2)
