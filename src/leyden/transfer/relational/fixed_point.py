"""The modified fixed-point continuation of Goldberg et al. 2010, with the objective that its iterations lower."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from leyden.transfer.relational.shrinkage import Shrunk, shrink

Bias = Literal["ones", "free"]


@dataclass(frozen=True)
class Problem:
    """A table with holes, and how its losses weigh.

    Args:
        features: X (N, D) float64, NaN in the holes.
        labels: Y (N, T) float64 of -1 and 1, NaN in the holes.
        label_weight: lambda of the paper, of the labels' mean loss beside that of the features.
        bias: "ones": a column of ones stands behind the labels (MC-1); "free": a bias for each task (MC-b).
    """

    features: Tensor
    labels: Tensor
    label_weight: float
    bias: Bias

    @property
    def feature_share(self) -> float:
        """1 / |Omega_X|."""
        return 1 / max(1, int((~self.features.isnan()).sum()))

    @property
    def label_share(self) -> float:
        """lambda / |Omega_Y|."""
        return self.label_weight / max(1, int((~self.labels.isnan()).sum()))

    @property
    def step(self) -> float:
        """tau_Z = min(3.8 |Omega_Y| / lambda, |Omega_X|), below the bound 4 |Omega_Y| / lambda of theorem 1."""
        return min(3.8 / self.label_share, 1 / self.feature_share)

    @property
    def weights(self) -> Tensor:
        """(D + T [+ 1]) of each column's loss; that of the ones is 1 / tau_Z, see ``objective``."""
        shares = (
            torch.ones_like(self.features[0]) * self.feature_share,
            torch.ones_like(self.labels[0]) * self.label_share,
        )
        return torch.cat([*shares, *([shares[0].new_tensor([1 / self.step])] if self.bias == "ones" else [])])

    def whole(self) -> Tensor:
        """X, Y and, of MC-1, the ones, side by side: (N, D + T [+ 1]), NaN in the holes."""
        ones = [torch.ones_like(self.features[:, :1])] if self.bias == "ones" else []
        return torch.cat([self.features, self.labels, *ones], 1)


class State(NamedTuple):
    """After some iterations."""

    shrunk: Shrunk
    """Z before its column of ones is set to 1."""
    bias: Tensor
    """b (T,), 0 of MC-1."""
    mu: float
    objectives: list[float]
    """After each iteration with this mu."""

    def scores(self, problem: Problem) -> Tensor:
        """(N, T) of the labels, their bias added."""
        width, tasks = problem.features.shape[1], problem.labels.shape[1]
        return self.shrunk.matrix[:, width : width + tasks] + self.bias


def gradient(problem: Problem, z: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """g(Z) (N, D + T [+ 1]) and g(b) (T,), equations 6 and 7; the column of ones has none."""
    width, tasks = problem.features.shape[1], problem.labels.shape[1]
    of_z = torch.zeros_like(z)
    of_z[:, :width] = ((z[:, :width] - problem.features) * problem.feature_share).nan_to_num()
    y, scores = problem.labels, z[:, width : width + tasks] + bias
    of_labels = (-y * torch.sigmoid(-y * scores) * problem.label_share).nan_to_num()
    of_z[:, width : width + tasks] = of_labels
    return of_z, of_labels.sum(0)


def objective(problem: Problem, state: State) -> float:
    """What the iterations lower: equation 3 (MC-b), or that of MC-1 with its constraint as a penalty.

    Setting the column of ones to 1 after each shrinkage is the same as a gradient step of length tau_Z on
    ||z_ones - 1||^2 / (2 tau_Z). So the algorithm of MC-1 is a proximal gradient method for the objective with that
    term instead of the constraint, and never raises it.
    """
    width, tasks = problem.features.shape[1], problem.labels.shape[1]
    z = state.shrunk.matrix
    features = (z[:, :width] - problem.features).square().nansum() / 2 * problem.feature_share
    losses = F.softplus(-problem.labels * state.scores(problem)).nansum() * problem.label_share
    ones = (z[:, width + tasks :] - 1).square().sum() / (2 * problem.step)
    return float(state.mu * state.shrunk.norm + features + losses + ones)


def continuation(first: float, eta: float, last: float) -> list[float]:
    """mu_1 > ... > mu_L = ``last``, each ``eta`` times the one before, from eta times ``first``."""
    mus = [max(first * eta, last)]
    while mus[-1] > last:
        mus.append(max(mus[-1] * eta, last))
    return mus


def fixed_points(problem: Problem, mus: Sequence[float], iterations: int, tolerance: float) -> Iterator[State]:
    """The estimate for each mu in turn, each the start of the next (figure 1 of the paper).

    Args:
        problem: with one known label at least.
        mus: descending.
        iterations: for each mu, at most.
        tolerance: the relative change of the objective that ends a mu.
    """
    whole = problem.whole().nan_to_num()
    vectors = torch.linalg.eigh(whole.T @ whole)[1]
    z = whole @ vectors[:, -1:] @ vectors[:, -1:].T  # the rank-1 approximation of the matrix with 0 in its holes
    bias = z.new_zeros(problem.labels.shape[1])
    bias_step = 3.8 / (problem.label_share * len(z))
    for mu in mus:
        objectives: list[float] = []
        for _ in range(iterations):
            if problem.bias == "ones":
                z = torch.cat([z[:, :-1], torch.ones_like(z[:, -1:])], 1)
            of_z, of_bias = gradient(problem, z, bias)
            shrunk = shrink(z - problem.step * of_z, problem.step * mu)
            if problem.bias == "free":
                bias = bias - bias_step * of_bias
            z = shrunk.matrix
            state = State(shrunk, bias, mu, objectives)
            objectives.append(objective(problem, state))
            if len(objectives) > 1 and abs(objectives[-2] - objectives[-1]) < tolerance * abs(objectives[-2]):
                break
        yield state
