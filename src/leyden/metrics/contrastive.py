"""How well views of an image find each other among those of other images: the loss of contrastive learning."""

import torch
from torch import Tensor
from torch.nn import functional as F


def nt_xent(first: Tensor, second: Tensor, tau: float, rank: int = 0, mine: int | None = None) -> Tensor:
    """Normalised, temperature-scaled cross-entropy (Chen et al. 2020, eq. 1), the mean over the anchors.

    Args:
        first: (N, D) embeddings of one view of each image, of any length.
        second: (N, D) embeddings of the other.
        tau: temperature, above 0.
        rank: of those who share a batch: which part of the views are this one's anchors.
        mine: images of each part; None: all are this one's.

    Returns:
        () loss: 0 for a single image, log(2N - 1) where all embeddings are equal.
    """
    count = len(first)
    views = F.normalize(torch.cat([first, second]))  # (2N, D)
    own = torch.arange(count, device=views.device)[rank * (mine or count) : (rank + 1) * (mine or count)]
    anchors = torch.cat([own, own + count])
    logits = views[anchors] @ views.T / tau  # (2M, 2N)
    logits = logits.scatter(1, anchors[:, None], -torch.inf)  # no view is its own partner
    return F.cross_entropy(logits, (anchors + count) % (2 * count))
