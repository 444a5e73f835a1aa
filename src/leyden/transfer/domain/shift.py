"""How far two domains are apart, before anything is adapted: A-distance, and MMD with a permutation test.

Gretton et al. 2012, "A Kernel Two-Sample Test": under the hypothesis that both domains have one distribution, which
examples are called source is chance. So the squared MMD of the domains as they are is compared with those of random
divisions of the same examples; the p-value is the part of them, the own division included, that is as large.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from leyden.transfer.domain.adaptation import moments
from leyden.transfer.domain.classifiers import squared_distances
from leyden.transfer.domain.deep.selection import a_distance

MOST = 500
"""Examples of each domain that are looked at."""
PERMUTATIONS = 500
LEVEL = 0.05
"""A p-value up to this is called a shift."""


class Shift(NamedTuple):
    """What was measured."""

    a_distance: float
    """0: no linear classifier tells the domains apart, 2: without a mistake."""
    mmd: float
    """Squared, of an rbf kernel whose width is the median distance; 0 for equal distributions."""
    p: float
    """Of equal distributions."""
    after_means: float
    """A-distance once each domain's features have mean 0 and deviation 1."""


def mmd_test(source: Tensor, target: Tensor, seed: int = 0) -> tuple[float, float]:
    """Squared MMD (biased, an rbf kernel) and its p-value by permutations.

    Args:
        source: (Ns, D) float64.
        target: (Nt, D).
        seed: of the permutations.
    """
    x, count = torch.cat([source, target]), len(source)
    squares = squared_distances(x, x)
    apart = squares[~torch.eye(len(x), dtype=torch.bool)]
    kernel = (-squares / apart.median().clamp(min=1e-12)).exp()
    generator = torch.Generator().manual_seed(seed)
    orders = torch.stack(
        [torch.arange(len(x)), *(torch.randperm(len(x), generator=generator) for _ in range(PERMUTATIONS))]
    )
    e = torch.full(orders.shape, -1 / len(target), dtype=x.dtype)
    e.scatter_(1, orders[:, :count], 1 / count)
    distances = ((e @ kernel) * e).sum(1)  # e^T K e of each division, the own one first
    own = float(distances[0])
    return own, float((distances >= distances[0] - 1e-12).double().mean())


def measure(source: Tensor, target: Tensor, seed: int = 0) -> Shift:
    """The shift between features (Ns, D) and (Nt, D) float64, standardised over both."""
    mean, std = moments(torch.cat([source, target]))
    own = [(x - x.mean(0)) / moments(x)[1] for x in (source, target)]
    source, target = ((x - mean) / std for x in (source, target))
    return Shift(a_distance(source, target), *mmd_test(source, target, seed), a_distance(*own))


def advice(shift: Shift, overrides: list[str]) -> str:
    """The shift in words for a terminal, with the command that follows."""
    if shift.p > LEVEL:
        named, model = "no shift was found: train on the source as it is", "model=transfer/tca model.components=null"
    elif shift.after_means < shift.a_distance / 2:
        named, model = "most of it is in means and scales: standardise each domain first", "model.standardise=domain"
    else:
        named, model = "a shift that standardising does not remove: adapt", "model=transfer/jda"
    kept = [
        text for text in overrides if text.partition("=")[0] not in {part.partition("=")[0] for part in model.split()}
    ]
    return "\n".join(
        [
            f"A-distance  {shift.a_distance:.2f} of 2 (0: no linear classifier tells the domains apart), "
            f"{shift.after_means:.2f} after standardising each domain",
            f"MMD^2       {shift.mmd:.4g}, p = {shift.p:.3f} by {PERMUTATIONS} permutations (a shift: {LEVEL} or less)",
            f"shift       {named}",
            "",
            " ".join(["leyden run", *kept, model]),
        ]
    )
