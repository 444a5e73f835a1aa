"""The modes of a column of numbers, and what else the training rows say of each column."""

import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import BayesianGaussianMixture
from torch import Tensor

from leyden.data.specs import NUMBERS, ColumnSpec, FittedColumnSpec

LEAST_WEIGHT = 0.005
"""Of a mode; lighter ones are no modes."""
FITTED_ROWS = 20_000
"""At most so many, evenly spread, are looked at for modes."""
MOST_DECIMALS = 12


def fit_modes(values: np.ndarray, most: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means, standard deviations and weights, (K,) each, of a variational mixture of at most ``most`` Gaussians.

    Section 4.2 of Xu et al. 2019, with the concentration (0.001) and the least weight (0.005) of the authors' program.
    The mixture is fitted to standardised values, since scikit-learn adds 1e-6 to variances, whatever the unit is.

    Args:
        values: (N,) finite, N >= 1.
        most: modes, 1 or more.
        seed: of the mixture's start.
    """
    mean, std = values.mean(), values.std()
    if std == 0:  # the part of a column that trains may be constant
        return np.array([mean]), np.array([1.0]), np.array([1.0])
    unit = ((values - mean) / std)[:: -(-len(values) // FITTED_ROWS)].reshape(-1, 1)
    most = min(most, len(np.unique(unit)))
    mixture = BayesianGaussianMixture(
        n_components=most,
        weight_concentration_prior_type="dirichlet_process",
        weight_concentration_prior=0.001,
        random_state=seed,
    )
    with warnings.catch_warnings():  # a mixture that still moves after 100 passes is as good a code
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(unit)
    kept = mixture.weights_ > LEAST_WEIGHT
    weights = mixture.weights_[kept] / mixture.weights_[kept].sum()
    return mixture.means_[kept, 0] * std + mean, np.sqrt(mixture.covariances_[kept, 0, 0]) * std, weights


def fit_columns(columns: Sequence[ColumnSpec], values: Tensor, modes: int, seed: int = 0) -> list[FittedColumnSpec]:
    """Each column with its range, its modes or the frequencies of its categories in training rows.

    Args:
        columns: C.
        values: (N, C) float64, see ``leyden.data.columns.MixedRows``.
        modes: of a column of numbers, at most.
        seed: of the mixtures' starts.

    Raises:
        ValueError: a column of numbers has none among these rows.
    """
    fitted: list[FittedColumnSpec] = []
    for number, column in enumerate(columns):
        cells = values[:, number].numpy()
        known = cells[~np.isnan(cells)]
        numbers = column["kind"] in NUMBERS
        if numbers and not len(known):
            raise ValueError(
                f"no training row has a number in the column {column['name']!r}: leave it out, "
                f"data.source.kinds={{{column['name']}: ignore}}"
            )
        means, stds, weights = fit_modes(known, modes, seed) if numbers else (np.empty(0),) * 3
        fitted.append(
            FittedColumnSpec(
                **column,
                low=float(known.min()) if numbers else 0.0,
                high=float(known.max()) if numbers else 0.0,
                decimals=decimals_of(known) if column["kind"] == "continuous" else 0,
                missing=float(np.isnan(cells).mean()) if numbers else 0.0,
                counts=[] if numbers else np.bincount(known.astype(int), minlength=len(column["categories"])).tolist(),
                means=means.tolist(),
                stds=stds.tolist(),
                weights=weights.tolist(),
            )
        )
    return fitted


def decimals_of(values: np.ndarray) -> int:
    """The fewest digits behind the point with which values (N,) are what they are; at most 12."""
    rest = np.unique(values)
    for digits in range(MOST_DECIMALS):
        if np.array_equal(np.round(rest, digits), rest):
            return digits
    return MOST_DECIMALS
