"""KMM: weights of the source's examples that bring its kernel mean onto the target's.

Huang, Smola, Gretton, Borgwardt and Schoelkopf 2006, "Correcting Sample Selection Bias by Unlabeled Data". With
K_ij = k(xs_i, xs_j) and kappa_i = ns/nt sum_j k(xs_i, xt_j) the squared distance of the weighted source's mean from the
target's, in the space of the kernel, is up to a constant and the factor 2 / ns^2

    1/2 w^T K w - kappa^T w,    0 <= w_i <= B,  |sum_i w_i - ns| <= ns eps          (eq. 12)

with eps = (sqrt(ns) - 1) / sqrt(ns) and B = 1000 as in the paper's experiments. It is a convex quadratic program;
accelerated projected gradient (Beck and Teboulle 2009, with O'Donoghue and Candes' restarts) solves it, as SciPy has no
solver of quadratic programs: an interior point of its general ones takes minutes for 800 examples.

The classifier takes the weights divided by their mean.
"""

from functools import partial
from typing import Unpack

import torch
from scipy.optimize import brentq
from torch import Tensor

from leyden.transfer.domain.closed_form.tca import check_width, kernel_rows
from leyden.transfer.domain.instances.weighting import InstanceWeights, WeightedEstimator
from leyden.transfer.domain.options import EstimatorKwargs

STEPS = 20_000
TOLERANCE = 1e-10
"""Relative change of the objective in a hundred steps at which they end."""


def kernel_means(source: Tensor, target: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    """K (Ns, Ns) and kappa (Ns,) of features (Ns, D) and (Nt, D) for an rbf kernel."""
    kappa = kernel_rows(source, target, "rbf", gamma).sum(1) * len(source) / len(target)
    return kernel_rows(source, source, "rbf", gamma), kappa


def objective(w: Tensor, kernel: Tensor, kappa: Tensor) -> float:
    """1/2 w^T K w - kappa^T w."""
    return float(w @ (kernel @ w) / 2 - kappa @ w)


def project(w: Tensor, bound: float, low: float, high: float) -> Tensor:
    """The nearest point (N,) with entries in [0, bound] and a sum in [low, high]."""
    inside = w.clamp(0, bound)
    total = float(inside.sum())
    if low <= total <= high:
        return inside
    wanted = low if total < low else high
    reach = float(w.abs().max()) + bound + 1
    shift = brentq(lambda t: float((w - t).clamp(0, bound).sum()) - wanted, -reach, reach)
    return (w - shift).clamp(0, bound)


def kmm_weights(kernel: Tensor, kappa: Tensor, bound: float = 1000.0, eps: float | None = None) -> Tensor:
    """The minimum w (N,) of eq. 12.

    Args:
        kernel: K (N, N) float64.
        kappa: (N,).
        bound: B, the greatest weight.
        eps: how far the mean weight may be from 1; None: (sqrt(N) - 1) / sqrt(N).
    """
    count = len(kappa)
    eps = (count**0.5 - 1) / count**0.5 if eps is None else eps
    low, high = count * (1 - eps), count * (1 + eps)
    step = 1 / float(torch.linalg.eigvalsh(kernel)[-1])
    w = y = project(torch.ones_like(kappa), bound, low, high)
    momentum, before = 1.0, objective(w, kernel, kappa)
    for number in range(1, STEPS + 1):
        gradient = kernel @ y - kappa
        new = project(y - step * gradient, bound, low, high)
        if float(gradient @ (new - w)) > 0:  # the momentum leads upwards
            momentum = 1.0
        following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        y = new + (momentum - 1) / following * (new - w)
        w, momentum = new, following
        if number % 100 == 0:
            now = objective(w, kernel, kappa)
            if abs(before - now) <= TOLERANCE * abs(now):
                break
            before = now
    return w


class KernelMeanMatching(InstanceWeights):
    """KMM's weights.

    Args:
        gamma: of the rbf kernel; None: 1 / number of features.
        bound: B, the greatest weight before they are divided by their mean.
        eps: see ``kmm_weights``.

    Raises:
        ValueError: ``gamma`` or ``bound`` is not above 0, or ``eps`` is negative.
    """

    def __init__(self, gamma: float | None, bound: float, eps: float | None) -> None:
        super().__init__()
        check_width(gamma)
        if bound <= 0 or (eps is not None and eps < 0):
            raise ValueError(f"model.bound={bound} should be above 0, model.eps={eps} 0 or more, or null")
        self.gamma, self.bound, self.eps = gamma, bound, eps

    def weigh(self, source: Tensor, target: Tensor) -> Tensor:
        """Weights (Ns,) of source features (Ns, D) for a target (Nt, D)."""
        gamma = 1 / source.shape[1] if self.gamma is None else self.gamma
        return kmm_weights(*kernel_means(source, target, gamma), self.bound, self.eps)


class KMM(WeightedEstimator):
    """Kernel mean matching with a weighted classifier.

    Args:
        class_names: of both domains; given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        feature_names: of rows; given by the data.
        tasks: names of the pairs of domains; given by the data.
        gamma: of the rbf kernel; null: 1 / number of features.
        bound: B, the greatest weight before they are divided by their mean.
        eps: how far the mean weight may be from 1; null: (sqrt(ns) - 1) / sqrt(ns), as in the paper.
        options: see ``WeightedOptions``.

    Raises:
        ValueError: a number out of its range, or an option that is none.
    """

    def __init__(
        self,
        class_names: list[str],
        channels: int | None = None,
        image_size: int | None = None,
        feature_names: list[str] | None = None,
        tasks: list[str] | None = None,
        gamma: float | None = None,
        bound: float = 1000.0,
        eps: float | None = None,
        **options: Unpack[EstimatorKwargs],
    ) -> None:
        adaptation = partial(KernelMeanMatching, gamma, bound, eps)
        super().__init__(class_names, channels, image_size, feature_names, tasks, adaptation, **options)
        self.save_hyperparameters(logger=False)
