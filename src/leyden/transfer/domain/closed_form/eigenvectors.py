"""Generalised eigenvectors of (A, G G^T + mu I), A = F^T H F, where G has few columns: those of TCA, and JDA's rounds.

G = F^T E for M = E E^T: TCA's L has one column of E, JDA's M one more for each class.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.polynomial.chebyshev import chebvander
from scipy.linalg import eigh
from torch import Tensor

SMALL = 1e-12
"""Eigenvalues of A below this part of the greatest are raised to it."""


def scatter(rows: Tensor) -> Tensor:
    """A = F^T H F (M, M) of rows F (N, M)."""
    centred = rows - rows.mean(0)
    return centred.T @ centred


def solve(within: Tensor, apart: Tensor, count: int, mu: float) -> tuple[Tensor, Tensor]:
    """The top generalised eigenvectors W of (A, B), B = G G^T + mu I, normalised so that W^T B W = I.

    With the thin singular value decomposition G = P S Q^T

        B^-1/2 = mu^-1/2 (I - P T P^T),  T = I - (mu / (S^2 + mu))^1/2,

    and W = B^-1/2 V with the top eigenvectors V of B^-1/2 A B^-1/2: no large matrix is decomposed but this one.

    Args:
        within: A (M, M) float64.
        apart: G (M, p).
        count: of components.
        mu: weight of ||W||^2.

    Returns:
        W (M, count), and the generalised eigenvalues (count,), greatest first.

    Raises:
        ValueError: more components than M, or mu is not positive.
    """
    size = len(within)
    if not 1 <= count <= size:
        raise ValueError(f"model.components={count}: there are 1 to {size}")
    if mu <= 0:
        raise ValueError(f"model.mu={mu}: should be above 0")
    p, s, _ = torch.linalg.svd(apart, full_matrices=False)
    shrunk = p * (1 - (mu / (s.square() + mu)).sqrt())  # P T
    half = within - (within @ shrunk) @ p.T  # A (I - P T P^T)
    whole = (half - shrunk @ (p.T @ half)) / mu
    values, vectors = eigh(whole.numpy(), subset_by_index=[size - count, size - 1])
    best = torch.from_numpy(np.ascontiguousarray(vectors[:, ::-1]))
    return (best - shrunk @ (p.T @ best)) / mu**0.5, torch.from_numpy(values[::-1].copy())


class Spectrum(NamedTuple):
    """A = U diag(d) U^T, by which one A is solved with many G.

    In the basis U an eigenvector of eigenvalue l is l (diag(d) - l mu I)^-1 G c, for some vector c of p numbers. Where
    d is small against l mu the inverse is a polynomial in d of low degree, but for rounding. So the last entries of all
    top eigenvectors lie in the span of the columns T_j(d) G of Chebyshev's polynomials T_0 to T_(degree - 1), and a
    problem of the first entries and of this span has the same solutions and is a third as large. l mu is never below
    d_(count + p); last entries are those whose d is below half of that, where degree 10 leaves out 1e-7 of an entry.
    """

    values: Tensor
    """d (M,), greatest first."""
    vectors: Tensor
    """U (M, M)."""

    @classmethod
    def of(cls, within: Tensor) -> "Spectrum":
        """Of A (M, M) float64."""
        values, vectors = eigh(within.numpy())
        d = torch.from_numpy(values[::-1].copy())
        return cls(d.clamp(min=SMALL * float(d[0])), torch.from_numpy(np.ascontiguousarray(vectors[:, ::-1])))

    def solve(self, apart: Tensor, count: int, mu: float, degree: int = 10) -> tuple[Tensor, Tensor]:
        """As the function ``solve``."""
        d, g = self.values, self.vectors.T @ apart
        floor = d[min(count + g.shape[1], len(d)) - 1] / 2
        first = int((d > floor).sum())
        if first + degree * g.shape[1] >= len(d):
            weights, values = solve(d.diag(), g, count, mu)
            return self.vectors @ weights, values
        powers = torch.from_numpy(chebvander((2 * d[first:] / d[first] - 1).numpy(), degree - 1))
        span, _ = torch.linalg.qr((powers[:, :, None] * g[first:, None]).flatten(1))
        reduced = torch.block_diag(d[:first].diag(), span.T @ (d[first:, None] * span))
        weights, values = solve(reduced, torch.cat([g[:first], span.T @ g[first:]]), count, mu)
        return self.vectors @ torch.cat([weights[:first], span @ weights[first:]]), values
