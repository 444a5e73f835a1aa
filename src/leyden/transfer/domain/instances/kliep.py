"""KLIEP: the density ratio of the target to the source as a sum of kernels, by maximum likelihood.

Sugiyama, Nakajima, Kashima, von Buenau and Kawanabe 2008, "Direct Importance Estimation with Model Selection and Its
Application to Covariate Shift Adaptation". The ratio is w(x) = sum_l alpha_l k(x, c_l) with rbf kernels at target
examples c_l; then w(x) p_source(x) is a model of the target's density, and its likelihood is maximised:

    max_alpha  sum_j log sum_l alpha_l k(xt_j, c_l),   alpha >= 0,   1/ns sum_i w(xs_i) = 1          (eq. 7)

With u_l = alpha_l b_l, b_l = 1/ns sum_i k(xs_i, c_l), that is the likelihood of a mixture whose proportions u add up to
1, so each step is EM's

    u_l <- u_l 1/nt sum_j (k(xt_j, c_l) / b_l) / sum_m u_m (k(xt_j, c_m) / b_m),

which never lowers it and needs no step size, where the paper has gradient steps and a projection: the problem is
convex, so both end at the same place. The kernel's width is the one with the best likelihood of target examples held
out (section 2.3), so no label is used. w can be asked for new examples.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple, Unpack

import numpy as np
import torch
from torch import Tensor

from leyden.transfer.domain.closed_form.tca import check_width, kernel_rows
from leyden.transfer.domain.instances.weighting import InstanceWeights, WeightedEstimator
from leyden.transfer.domain.options import EstimatorKwargs

STEPS, TOLERANCE = 5000, 1e-9
WIDTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Factors on 1 / number of features that are tried for gamma."""


class Ratio(NamedTuple):
    """w(x) = sum_l alpha_l k(x, c_l)."""

    centres: Tensor
    """(b, D)."""
    alpha: Tensor
    """(b,)."""
    gamma: float

    def __call__(self, x: Tensor) -> Tensor:
        """w (N,) of features (N, D)."""
        return kernel_rows(x, self.centres, "rbf", self.gamma) @ self.alpha


def fit_ratio(source: Tensor, target: Tensor, centres: Tensor, gamma: float) -> Ratio:
    """The maximum of eq. 7 for source features (Ns, D), a target (Nt, D) and centres (b, D)."""
    means = kernel_rows(source, centres, "rbf", gamma).mean(0)
    kernels = kernel_rows(target, centres, "rbf", gamma) / means.clamp(min=1e-300)
    u, before = torch.full((len(centres),), 1 / len(centres), dtype=source.dtype), -torch.inf
    for _ in range(STEPS):
        mixture = (kernels @ u).clamp(min=1e-300)
        u = u * (kernels / mixture[:, None]).mean(0)
        u = u / u.sum()
        now = float(mixture.log().mean())
        if abs(now - before) <= TOLERANCE:
            break
        before = now
    return Ratio(centres, u / means.clamp(min=1e-300), gamma)


def held_out_likelihood(source: Tensor, target: Tensor, centres: Tensor, gamma: float, folds: int) -> float:
    """Mean of log w over target examples (Nt, D) that the fit has not seen."""
    parts = np.array_split(np.arange(len(target)), folds)
    found = []
    for part in parts:
        rest = torch.ones(len(target), dtype=torch.bool)
        rest[part] = False
        ratio = fit_ratio(source, target[rest], centres, gamma)
        found.append(float(ratio(target[~rest]).clamp(min=1e-300).log().mean()))
    return float(np.mean(found))


def choose_width(source: Tensor, target: Tensor, centres: Tensor, gammas: Sequence[float], folds: int) -> float:
    """The gamma whose fit makes held-out target examples most likely (section 2.3)."""
    return max(gammas, key=lambda gamma: held_out_likelihood(source, target, centres, gamma, folds))


class ImportanceEstimation(InstanceWeights):
    """KLIEP's weights.

    Args:
        gamma: of the kernels; None: chosen among ``WIDTHS`` / number of features.
        centres: so many target examples at most, drawn by a fixed seed, are centres.
        folds: parts of the target for the choice.

    Raises:
        ValueError: a number out of its range; in ``fit`` a target with fewer examples than folds.
    """

    def __init__(self, gamma: float | None, centres: int, folds: int) -> None:
        super().__init__()
        check_width(gamma)
        if centres < 1 or folds < 2:
            raise ValueError(f"model.centres={centres} should be 1 or more, model.folds={folds} 2 or more")
        self.gamma, self.count, self.folds = gamma, centres, folds

    def weigh(self, source: Tensor, target: Tensor) -> Tensor:
        """Weights (Ns,) of source features (Ns, D) for a target (Nt, D)."""
        if len(target) < self.folds:
            raise ValueError(f"model.folds={self.folds}: the target has {len(target)} examples; ask for fewer folds")
        order = torch.randperm(len(target), generator=torch.Generator().manual_seed(0))
        target = target[order]
        centres, gamma = target[: self.count], self.gamma
        if gamma is None:
            gammas = [factor / source.shape[1] for factor in WIDTHS]
            gamma = choose_width(source, target, centres, gammas, self.folds)
        return fit_ratio(source, target, centres, gamma)(source)


class KLIEP(WeightedEstimator):
    """Direct importance estimation with a weighted classifier.

    Args:
        class_names: of both domains; given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        feature_names: of rows; given by the data.
        tasks: names of the pairs of domains; given by the data.
        gamma: of the kernels; null: the best of seven by the likelihood of held-out target examples.
        centres: target examples at most that are centres of kernels; 100 in the paper.
        folds: parts of the target for that choice.
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
        centres: int = 100,
        folds: int = 5,
        **options: Unpack[EstimatorKwargs],
    ) -> None:
        adaptation = partial(ImportanceEstimation, gamma, centres, folds)
        super().__init__(class_names, channels, image_size, feature_names, tasks, adaptation, **options)
        self.save_hyperparameters(logger=False)
