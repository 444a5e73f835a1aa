"""Generalised eigenvectors of (A, G G^T + mu I), A = F^T H F, where G has few columns: those of TCA, and JDA's rounds.

G = F^T E for M = E E^T: TCA's L has one column of E, JDA's M one more for each class.
"""

import numpy as np
import torch
from scipy.linalg import eigh
from torch import Tensor


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
