"""Which examples belong to which part of a data set: pure functions of labels or names and a seed.

scikit-learn's ``train_test_split(stratify=...)`` is not used: it cuts into two parts only, and two cuts in a row round
twice, so that a class of ten may get 6 + 0 + 4 of (0.6, 0.1, 0.3) and not 6 + 1 + 3; it refuses a class with a single
example; and its members are those of NumPy's shuffle, which NumPy does not promise to keep, whereas the splits of a
source never change.
"""

import hashlib
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor


def check_holdout(holdout: float) -> None:
    """Refuses a share of the training examples that leaves nothing to train on or nothing to validate on.

    Raises:
        ValueError: it is not above 0 and below 1.
    """
    if not 0 < holdout < 1:
        raise ValueError(
            f"data.source.holdout={holdout}: the share of the training images that validates must be above 0 and "
            "below 1, such as 0.1 (what is tested never validates, or the best checkpoint would be chosen by the test)"
        )


def stratified(labels: Tensor, fractions: Sequence[float], seed: int = 0) -> list[Tensor]:
    """Splits indices so that every class is divided in the same proportions.

    A class with as many examples as there are parts, or more, is in every part, however small its fraction is.

    Args:
        labels: (N,) int64 classes.
        fractions: of each part; they add up to 1.
        seed: of the shuffle inside each class; the split is a pure function of (labels, fractions, seed).

    Returns:
        One sorted int64 index tensor per fraction; together they are 0..N-1, without overlap.
    """
    generator = torch.Generator().manual_seed(seed)
    parts: list[list[Tensor]] = [[] for _ in fractions]
    by_class = labels.argsort(stable=True).split(labels.unique(return_counts=True)[1].tolist())
    for members in by_class:
        members = members[torch.randperm(len(members), generator=generator)]
        edges = (torch.tensor([0.0, *fractions]).cumsum(0) * len(members)).round().long().tolist()
        for part, (start, stop) in zip(parts, pairwise(_one_each(edges)), strict=True):
            part.append(members[start:stop])
    return [torch.cat(part).sort().values for part in parts]


def by_name(names: Sequence[str], fractions: Sequence[float], seed: int = 0) -> list[list[int]]:
    """Splits examples by a hash of their names, so that neither their order nor a few more change much.

    Args:
        names: of the N examples.
        fractions: of each part; they add up to 1.
        seed: of the hash.

    Returns:
        Sorted indices per fraction; together they are 0..N-1, without overlap. Each part has one example at least;
        where there are not enough, the last parts have none.
    """
    order = sorted(range(len(names)), key=lambda i: hashlib.sha256(f"{seed}/{names[i]}".encode()).hexdigest())
    count, parts = len(names), len(fractions)
    cuts = [round(sum(fractions[:place]) * count) for place in range(1, parts)]
    edges = _one_each([0, *cuts, count]) if count >= parts else [*range(count), *[count] * (parts - count + 1)]
    return [sorted(order[start:stop]) for start, stop in pairwise(edges)]


def few_per_class(
    labels: Tensor, count: int | None, seed: int, names: Sequence[str], key: str = "data.labels_per_class"
) -> Tensor:
    """Draws ``count`` examples of each class; nested: with the same seed, fewer are among more.

    Args:
        labels: (N,) int64 classes.
        count: per class; null takes all.
        seed: of the draw.
        names: of the classes, for the error.
        key: the config key that says ``count``, likewise.

    Returns:
        Indices (count * classes,), class by class.

    Raises:
        ValueError: a class has no example, or fewer than ``count``.
    """
    absent = [name for label, name in enumerate(names) if not (labels == label).any()]
    if absent:
        raise ValueError(f"no training example of {', '.join(absent)}: a class that is never seen cannot be learnt")
    if count is None:
        return torch.arange(len(labels))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    picked = []
    for label, name in enumerate(names):
        members = order[labels[order] == label]
        if len(members) < count:
            raise ValueError(f"{key}={count}, but class {name!r} has {len(members)} training examples")
        picked.append(members[:count])
    return torch.cat(picked)


def _one_each(edges: Sequence[int]) -> list[int]:
    """Where parts begin and end, moved so far that none is empty; as it is where there are fewer examples than parts.

    Args:
        edges: from 0 to the number of examples, in ascending order, one more than there are parts.
    """
    moved, last = list(edges), len(edges) - 1
    if edges[-1] < last:
        return moved
    for place in range(1, last):
        moved[place] = max(moved[place], moved[place - 1] + 1)
    for place in range(last - 1, 0, -1):
        moved[place] = min(moved[place], moved[place + 1] - 1)
    return moved
