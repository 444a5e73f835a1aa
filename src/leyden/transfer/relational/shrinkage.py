"""Singular values shrunk towards 0, the step that all completions by the nuclear norm share, and rows out of sample."""

from typing import NamedTuple

import torch
from torch import Tensor

PART = 256
"""Rows whose equations are held at a time."""
STEPS, PRECISE = 500, 1e-10
"""Most iterations for the codes of rows with known labels, and the change below which they end."""


class Shrunk(NamedTuple):
    """A matrix of low rank."""

    matrix: Tensor
    """(N, M)."""
    directions: Tensor
    """V (M, r), right singular vectors, the greatest value's first."""
    values: Tensor
    """(r,) singular values, above 0, descending."""

    @property
    def norm(self) -> Tensor:
        """() the nuclear norm."""
        return self.values.sum()

    @property
    def basis(self) -> Tensor:
        """V diag(values)^1/2 (M, r): with it ||Z||_* is half the squares of both factors of Z = A basis^T."""
        return self.directions * self.values.sqrt()


def shrink(matrix: Tensor, threshold: float, rank: int | None = None) -> Shrunk:
    """S_t(A) = U diag((d - t)_+) V^T, the minimiser of ||A - Z||_F^2 / 2 + t ||Z||_* (Mazumder et al. 2010, lemma 1).

    With a greatest rank it is the minimiser among the matrices of that rank. The eigenvectors of the smaller of A^T A
    and A A^T stand for a singular value decomposition; on tables with many more rows than columns that is several
    times faster.

    Args:
        matrix: A (N, M) float64.
        threshold: t, from 0.
        rank: most singular values that are kept; None: all.
    """
    wide = matrix.shape[0] < matrix.shape[1]
    tall = matrix.T if wide else matrix
    squares, vectors = torch.linalg.eigh(tall.T @ tall)
    values = squares.clamp(min=0).sqrt().flip(0)
    count = int((values > max(threshold * (1 + 1e-12), 1e-7 * float(values[0]))).sum())  # not what is round-off
    count = count if rank is None else min(count, rank)
    values, vectors = values[:count], vectors.flip(1)[:, :count]
    factors = tall @ vectors  # U diag(d)
    left = values - threshold
    shrunk = (factors * (left / values)) @ vectors.T
    directions = factors / values if wide else vectors
    return Shrunk(shrunk.T if wide else shrunk, directions, left)


def complete_rows(
    rows: Tensor,
    basis: Tensor,
    penalty: float,
    weights: Tensor,
    labels: slice = slice(0, 0),
    bias: Tensor | None = None,
) -> Tensor:
    """Rows out of sample: z = basis a with the code a that explains what is known of a row.

    The problem of the whole matrix for one row, its basis being fixed. At the optimum of that problem the rows of the
    fit come out as they are in it. Known features x and known labels y in {-1, 1} say, with w the weights,

        min_a  sum_x w (x - b^T a)^2 / 2 + sum_y w ln(1 + exp(-y (b^T a + bias))) + penalty ||a||^2 / 2.

    Without known labels that is a ridge regression. With them it is solved by steps under a quadratic bound, as the
    logistic loss bends by 1/4 at most, which never raise it.

    Args:
        rows: (B, M) float64, NaN where nothing is known.
        basis: (M, r).
        penalty: of the code, 0 or more.
        weights: (M,) of each column's loss.
        labels: the columns that are labels.
        bias: (T,) added to the labels' scores; None: 0.

    Returns:
        (B, M); where nothing is known of a row all is 0.
    """
    if basis.shape[1] == 0 or len(rows) == 0:
        return rows.new_zeros(rows.shape)
    return torch.cat([_codes(part, basis, penalty, weights, labels, bias) @ basis.T for part in rows.split(PART)])


def _codes(rows: Tensor, basis: Tensor, penalty: float, weights: Tensor, labels: slice, bias: Tensor | None) -> Tensor:
    known, values = ~rows.isnan(), rows.nan_to_num()
    weighted, bend = known * weights, torch.ones_like(weights)
    bend[labels] = 0.25
    products = (basis[:, :, None] * basis[:, None, :]).flatten(1)
    curvature = ((weighted * bend) @ products).view(len(rows), basis.shape[1], -1)
    curvature = curvature + max(penalty, 1e-12) * torch.eye(basis.shape[1], dtype=rows.dtype, device=rows.device)
    factor = torch.linalg.cholesky(curvature)
    codes = rows.new_zeros(len(rows), basis.shape[1])
    steps = STEPS if known[:, labels].any() else 1
    for _ in range(steps):
        scores = codes @ basis.T
        slope = scores - values
        if steps > 1:
            shifted = scores[:, labels] if bias is None else scores[:, labels] + bias
            slope[:, labels] = -values[:, labels] * torch.sigmoid(-values[:, labels] * shifted)
        gradient = (slope * weighted) @ basis + penalty * codes
        step = torch.cholesky_solve(gradient[:, :, None], factor)[:, :, 0]
        codes = codes - step
        if float(step.abs().max()) < PRECISE:
            break
    return codes
