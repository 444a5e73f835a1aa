"""Features of many dimensions as points on a plane, by t-SNE (van der Maaten and Hinton 2008)."""

import torch
from torch import Tensor


def embed(features: Tensor, seed: int = 0) -> Tensor:
    """Places points so that neighbours among the features stay neighbours on the plane.

    Distances between far groups and the sizes of groups mean nothing; axes have no unit. Starting from the first
    two principal components keeps the large-scale layout (Kobak and Berens 2019) and the result repeatable.

    Args:
        features: (N, F) with N >= 5 and F >= 2. Time grows faster than N: hand in a thousand at most.
        seed: of the principal components, which are found from a random start.

    Returns:
        (N, 2) float32 on the CPU; all zeros where all features are the same (a collapsed network).

    Raises:
        ValueError: fewer than 5 points or 2 dimensions, or values that are not finite.
    """
    if features.ndim != 2 or features.shape[0] < 5 or features.shape[1] < 2:
        raise ValueError(f"t-SNE needs features (N, F) with N >= 5 and F >= 2, got {tuple(features.shape)}")
    features = features.detach().cpu().float()
    if not features.isfinite().all():
        raise ValueError("t-SNE needs finite features, got inf or nan")
    if (features == features[0]).all():
        return torch.zeros(len(features), 2)  # principal components would be divided by their deviation, 0
    from sklearn.manifold import TSNE  # here, because what runs before the first embedding need not wait for it

    # 30 neighbours are usual; a third of the points is the most that t-SNE's search for neighbours bears.
    perplexity = min(30.0, (len(features) - 1) / 3)
    plane = TSNE(init="pca", perplexity=perplexity, random_state=seed).fit_transform(features.numpy())
    return torch.from_numpy(plane)
