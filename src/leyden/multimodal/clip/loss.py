"""CLIP's loss: which text belongs to which image of a batch, asked both ways."""

import torch
from torch import Tensor
from torch.nn import functional as F


def clip_loss(images: Tensor, texts: Tensor, scale: Tensor | float, labels: Tensor | None = None) -> Tensor:
    """The symmetric cross-entropy (Radford et al. 2021, figure 3): mean of both directions, averaged over pairs.

    With s_ij = scale * x_i y_j, image i has the text -log(exp s_ii / sum_j exp s_ij), text j the image -log(exp s_jj /
    sum_i exp s_ij).

    Args:
        images: (N, D) embeddings x of length 1.
        texts: (N, D) embeddings y of length 1; text i belongs to image i.
        scale: 1 / tau.
        labels: (N,) which description each is: where two are equal, neither text is wrong for the other's image, and
            both are left out of each other's sums. None: all differ.

    Returns:
        () loss; log(N) where all embeddings are equal and all labels differ, 0 for one pair.
    """
    logits = scale * images @ texts.T
    if labels is not None:
        logits = logits.masked_fill(duplicates(labels), -torch.inf)
    own = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def duplicates(labels: Tensor) -> Tensor:
    """(N, N) bool: pairs that are not on the diagonal and have equal labels (N,)."""
    same = labels[:, None] == labels[None, :]
    return same.fill_diagonal_(False)


def uninformed_loss(labels: Tensor) -> Tensor:
    """() the loss of embeddings that are all equal: the mean of the logarithm of how many are told apart.

    Args:
        labels: (N,) which description each pair has; where all differ it is log(N).
    """
    return (~duplicates(labels)).sum(1).float().log().mean()
