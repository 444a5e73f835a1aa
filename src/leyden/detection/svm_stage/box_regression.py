"""Box regression from pooled features, a ridge regression (R-CNN, Girshick et al. 2014, appendix C).

For each class, the offsets (t_x, t_y, t_w, t_h) from a proposal to the object it lies on are linear in the features.
The offsets are centred and whitened first, as in the authors' ``rcnn_train_bbox_regressor.m``:

    Y = (t - mu) T,      T = V (D + 0.001)^(-1/2) V',      V D V' = covariance of t
    beta = argmin |[X 1] beta - Y|^2 + penalty |beta|^2,      t^ = [x 1] beta T^(-1) + mu
"""

from typing import NamedTuple

import torch
from torch import Tensor


class BoxRegression(NamedTuple):
    """Offsets t = x W + b, with the whitening multiplied in."""

    weight: Tensor
    """(F, 4) float32."""
    bias: Tensor
    """(4,) float32."""


def ridge(x: Tensor, y: Tensor, penalty: float) -> Tensor:
    """Ridge regression (X'X + penalty I)^(-1) X'Y by Cholesky's decomposition: x (N, F) and y (N, K) to (F, K)."""
    normal = x.T @ x + penalty * torch.eye(x.shape[1], dtype=x.dtype)
    return torch.cholesky_solve(x.T @ y, torch.linalg.cholesky(normal))


def whitening(offsets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (4,) of offsets (N, 4), the map T (4, 4) that makes their covariance nearly I, and the inverse of T."""
    mean = offsets.mean(0)
    centred = offsets - mean
    variances, axes = torch.linalg.eigh(centred.T @ centred / len(centred))
    spread = (variances.clamp(min=0) + 0.001).sqrt()
    return mean, axes / spread @ axes.T, axes * spread @ axes.T


def train_regression(features: Tensor, offsets: Tensor, penalty: float = 1000.0) -> BoxRegression:
    """The box regression of one class.

    Args:
        features: (N, F) of proposals; of mean norm 20, which is what ``penalty`` is for.
        offsets: (N, 4) from each to its object, dimensionless; N = 0 gives offsets of 0.
        penalty: of the coefficients, that of the constant included. It is added to a sum over N: fewer examples
            need a smaller one.
    """
    if len(offsets) == 0:
        return BoxRegression(torch.zeros(features.shape[1], 4), torch.zeros(4))
    # Halves and singles would lose the small eigenvalues of X'X.
    x, y = features.double(), offsets.double()
    mean, whiten, unwhiten = whitening(y)
    beta = ridge(torch.cat([x, x.new_ones(len(x), 1)], 1), (y - mean) @ whiten, penalty) @ unwhiten
    return BoxRegression(beta[:-1].float(), (beta[-1] + mean).float())
