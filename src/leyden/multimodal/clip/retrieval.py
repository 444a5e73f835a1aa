"""How well images find their descriptions and descriptions their images."""

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def ranks(scores: Tensor, right: Tensor) -> Tensor:
    """At which place, from 1, each query finds the first of what is right for it.

    Args:
        scores: (Q, N) of queries with candidates.
        right: (Q, N) bool, at least one in each row.

    Returns:
        (Q,) int64; a wrong candidate that scores as much as the best right one is before it.

    Raises:
        ValueError: nothing is right for a query.
    """
    if not right.any(1).all():
        raise ValueError("a query has no right candidate: leave it out")
    best = scores.masked_fill(~right, -torch.inf).amax(1, keepdim=True)
    return ((scores >= best) & ~right).sum(1) + 1


def retrieval_figures(found: Tensor) -> dict[str, float]:
    """Recall at 1 and 5 and the median rank of ``ranks`` (Q,)."""
    return {
        "recall_1": float((found <= 1).float().mean()),
        "recall_5": float((found <= 5).float().mean()),
        "median_rank": float(found.float().quantile(0.5)),
    }


def factor_values(class_names: Sequence[str], factors: Mapping[str, Sequence[str]]) -> dict[str, Tensor]:
    """Which value of each factor a description names.

    Args:
        class_names: descriptions.
        factors: words by factor.

    Returns:
        For each factor (classes,) int64 places among its words, -1 where a description has none of them.
    """
    found = {}
    for factor, words in factors.items():
        patterns = [re.compile(rf"\b{re.escape(word)}\b", re.IGNORECASE) for word in words]
        found[factor] = torch.tensor(
            [next((i for i, pattern in enumerate(patterns) if pattern.search(name)), -1) for name in class_names]
        )
    return found
