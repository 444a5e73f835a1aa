"""Whether each latent of a model holds one factor of the data: MIG and DCI, on codes beside known factors."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import mutual_info_score
from torch import Tensor

CODE_BINS = 20
"""Of equal width that a latent is cut into, as in Locatello et al. 2019."""
FACTOR_BINS = 10
"""Of equal width that a factor of numbers is cut into; classes are as they are."""
TREES, LEAST_LEAF = 30, 5
"""Of the forests: trees, and examples in a leaf."""

Factors = Mapping[str, Tensor]
"""By name a factor of N examples: (N,) int64 classes or (N,) floating-point numbers."""


def equal_width_bins(values: Tensor, bins: int) -> Tensor:
    """Numbers (N,) as bins of equal width from their least to their greatest: (N,) int64, 0 .. bins - 1."""
    low, high = values.min(), values.max()
    if low == high:
        return torch.zeros(len(values), dtype=torch.int64)
    return ((values.double() - low) / (high.double() - low) * bins).long().clamp(max=bins - 1)


def mutual_information(codes: Tensor, factors: Factors) -> Tensor:
    """I(z_d; v_k) in nats of discretised latents and factors, by scikit-learn's ``mutual_info_score``.

    The estimate from counts is too large by about (bins of z - 1)(bins of v - 1) / (2 N).

    Args:
        codes: (N, D) latents, cut into ``CODE_BINS`` bins.
        factors: K factors; numbers are cut into ``FACTOR_BINS``.

    Returns:
        (D, K) float64, 0 for a latent that does not vary.
    """
    latents = [equal_width_bins(column, CODE_BINS).numpy() for column in codes.cpu().T]
    targets = [_as_classes(values).numpy() for values in factors.values()]
    return torch.tensor([[mutual_info_score(z, v) for v in targets] for z in latents], dtype=torch.float64)


def mutual_information_gap(codes: Tensor, factors: Factors) -> Tensor:
    """How much more the best latent says of each factor than the second best (MIG; Chen et al. 2018, eq. 6).

        MIG_k = (I(z_(1); v_k) - I(z_(2); v_k)) / H(v_k),    the mean over k

    Where we depart: Chen et al. integrate over q(z | x); here the code is one number for each latent, such as the mean
    of q, cut into bins of equal width as in Locatello et al. 2019 ("Challenging Common Assumptions").

    Args:
        codes: (N, D) latents.
        factors: K factors.

    Returns:
        (K,) float64 gaps, in the order of ``factors``: 1 where one latent holds all of a factor and no other any of it,
        0 where two hold as much.

    Raises:
        ValueError: a factor is the same for all examples.
    """
    information = mutual_information(codes, factors)
    gaps = []
    for name, column in zip(factors, information.T, strict=True):
        entropy = _entropy(_as_classes(factors[name]))
        if entropy == 0:
            raise ValueError(f"the factor {name!r} is the same for all {len(codes)} examples: leave it out")
        best, second = [*column.sort(descending=True).values.tolist(), 0.0][:2]
        gaps.append((best - second) / entropy)
    return torch.tensor(gaps, dtype=torch.float64)


class DCI(NamedTuple):
    """Three scores of Eastwood and Williams 2018, each 1 at best."""

    disentanglement: float
    """Whether each latent serves one factor: sum_d rho_d (1 - H_K(P_d)), rho_d the share of all importance."""
    completeness: float
    """Whether each factor is served by one latent: mean_k (1 - H_D(P_k))."""
    informativeness: float
    """How well the factors are predicted: mean over factors of 1 - error / error of the best constant guess."""
    importance: Tensor
    """(D, K) float64, of each latent for each factor; columns sum to 1, or to 0 where no latent helps."""


def importance_scores(importance: Tensor) -> tuple[float, float]:
    """Disentanglement and completeness of a matrix of importances (Eastwood and Williams 2018, section 3).

    Args:
        importance: (D, K), >= 0, of latents for factors.

    Returns:
        (1, 1) where each latent matters to one factor and each factor needs one latent, (0, 0) where all are equal.
    """
    total = importance.sum()
    if total == 0:
        return 0.0, 0.0
    weight = importance.sum(1) / total
    disentanglement = (weight * (1 - _relative_entropy(importance))).sum()
    completeness = (importance.sum(0) / total * (1 - _relative_entropy(importance.T))).sum()
    return disentanglement.item(), completeness.item()


def dci(codes: Tensor, factors: Factors, test_codes: Tensor, test_factors: Factors) -> DCI:
    """Disentanglement, completeness and informativeness (Eastwood and Williams 2018).

    The predictor of each factor from all latents is scikit-learn's random forest, a regressor of numbers or a
    classifier of classes, of ``TREES`` trees that look at all latents at each split; the importance of a latent is the
    decrease of impurity that its splits bring.

    Where we depart: the paper's informativeness is the error itself, the root of the mean square over that of a
    constant; here errors (mean square, or share of wrong classes) are set against the best constant's and taken from 1.

    Args:
        codes: (N, D) latents that the forests are fitted to.
        factors: K factors of these.
        test_codes: (M, D) latents whose factors are predicted.
        test_factors: the same factors of these.

    Raises:
        ValueError: the factors are others.
    """
    if list(factors) != list(test_factors):
        raise ValueError(f"factors to fit are {list(factors)}, those to predict {list(test_factors)}: give the same")
    x, x_test = codes.double().cpu().numpy(), test_codes.double().cpu().numpy()
    columns, informativeness = [], []
    for name, values in factors.items():
        y, y_test = values.cpu().numpy(), test_factors[name].cpu().numpy()
        forest_type = RandomForestRegressor if values.is_floating_point() else RandomForestClassifier
        forest = forest_type(TREES, min_samples_leaf=LEAST_LEAF, max_features=1.0, random_state=0).fit(x, y)
        columns.append(forest.feature_importances_)
        informativeness.append(_beyond_constant(forest.predict(x_test), y_test, y))
    importance = torch.from_numpy(np.stack(columns, 1)).nan_to_num()
    return DCI(*importance_scores(importance), float(np.mean(informativeness)), importance)


def _beyond_constant(predicted: np.ndarray, target: np.ndarray, fitted: np.ndarray) -> float:
    """1 - error / error of the constant that is best for ``fitted``, 0 at least; squares of numbers, wrong classes."""
    if np.issubdtype(target.dtype, np.floating):
        error, constant = np.square(predicted - target).mean(), np.square(fitted.mean() - target).mean()
    else:
        values, counts = np.unique(fitted, return_counts=True)
        error, constant = (predicted != target).mean(), (values[counts.argmax()] != target).mean()
    return max(0.0, 1 - float(error / constant)) if constant else 0.0


def _as_classes(values: Tensor) -> Tensor:
    return equal_width_bins(values.cpu(), FACTOR_BINS) if values.is_floating_point() else values.cpu()


def _entropy(classes: Tensor) -> float:
    return float(mutual_info_score(classes.numpy(), classes.numpy()))


def _relative_entropy(rows: Tensor) -> Tensor:
    """Entropies of rows (R, C), each scaled to sum 1, over ln C: (R,) in 0..1; 1 for a row of zeros or of one."""
    if rows.shape[1] == 1:
        return rows.new_zeros(len(rows))
    share = rows / rows.sum(1, keepdim=True).clamp(min=1e-12)
    entropy = -torch.xlogy(share, share).sum(1) / np.log(rows.shape[1])
    return torch.where(rows.sum(1) > 0, entropy, 1.0)


def best_assignment(codes: Tensor, labels: Tensor, count: int, classes: int) -> Sequence[int]:
    """The class that stands for each of ``count`` codes, each class once at most, so that most examples agree.

    Args:
        codes: (N,) int64, 0 .. count - 1.
        labels: (N,) int64, 0 .. classes - 1.
        count: of the codes.
        classes: of the labels.

    Returns:
        for each code its class, -1 for codes without one where there are more codes than classes (scipy's
        ``linear_sum_assignment``).
    """
    from scipy.optimize import linear_sum_assignment

    table = torch.bincount(codes.cpu() * classes + labels.cpu(), minlength=count * classes).view(count, classes)
    rows, columns = linear_sum_assignment(table.numpy(), maximize=True)
    found = dict(zip(rows.tolist(), columns.tolist(), strict=True))
    return [found.get(code, -1) for code in range(count)]
