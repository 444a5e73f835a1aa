"""Covariate shift made of real data: examples drawn with a bias along their first principal component."""

import torch
from torch import Tensor

from leyden.core.seeding import mix


def biased_draw(features: Tensor, count: int, strength: float, seed: int, along: Tensor | None = None) -> Tensor:
    """Sorted indices of ``count`` of N examples, drawn without repetition, rather those on one side.

    The chance of an example is proportional to exp(-strength z), z its place along the first principal component in
    standard deviations, as selection is biased in Huang et al. 2006, "Correcting Sample Selection Bias by Unlabeled
    Data". It depends on the features alone: p(x) changes, p(y | x) does not.

    Args:
        features: (N, D).
        count: 1 to N.
        strength: 0: no bias.
        seed: of the draw.
        along: (M, D) features whose first principal component it is; None: the examples' own.

    Raises:
        ValueError: ``count`` is not from 1 to N.
    """
    if not 1 <= count <= len(features):
        raise ValueError(f"data.source.count={count}: there are 1 to {len(features)} training examples to draw")
    along = features if along is None else along
    centred = (along - along.mean(0)).double()
    values, vectors = torch.linalg.eigh(centred.T @ centred)
    direction = vectors[:, -1] * vectors[:, -1].sum().sign()  # a principal component has no sign of its own
    z = (features - along.mean(0)).double() @ direction / (values[-1] / len(along)).sqrt()
    chances = (-strength * z).softmax(0)
    generator = torch.Generator().manual_seed(mix(seed, 3))
    return torch.multinomial(chances, count, generator=generator).sort().values
