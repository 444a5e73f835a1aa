"""TCA: a projection in which two domains look alike, in closed form, and a nearest neighbour behind it.

Pan, Tsang, Kwok and Yang 2011, "Domain Adaptation via Transfer Component Analysis". With the rows of F describing all
examples, source before target (F = K, the kernel between all pairs of them, or F = X, the features themselves),
e = (1/ns, ..., 1/ns, -1/nt, ..., -1/nt) and L = e e^T, the squared distance of the domains' means in the projection
Z = F W is tr(W^T F^T L F W), the maximum mean discrepancy. With H = I - 1 1^T / n the components solve

    max_W  tr( (W^T (F^T L F + mu I) W)^-1  W^T F^T H F W ),

that is they are the top generalised eigenvectors of (F^T H F, F^T L F + mu I): most variance for least discrepancy.
Both matrices are symmetric and the second is positive definite, so ``eigenvectors.solve`` may take its root;
(F^T L F + mu I)^-1 F^T H F itself is not symmetric, and an ``eigh`` of it gives other vectors. W is normalised so that
W^T (F^T L F + mu I) W = I.

New examples are projected by their kernel with those of the fit (or their features), without centring again.
Labels of the source alone are used, by the 1-nearest-neighbour classifier in Z that the paper takes.

A linear kernel never needs its n x n matrix (``describe``): with X = U S V^T the same components are those of the
n x min(n, D) rows X V S. An rbf kernel needs it: n = 4,000 takes 0.13 GB for each of several matrices and minutes. With
``landmarks`` = m it is Nystroem's of m training examples instead, an approximation: rows k(X, C) k(C, C)^-1/2 of m
features, and then a linear kernel; n = 20,000 of 800 features with m = 1,000 takes 1.7 GB at most, and seconds.

Departures: where all features are standardised per domain, both means are 0 and with a linear kernel there is no
discrepancy left to remove: TCA is PCA then. ``standardise: joint`` is the default therefore.
"""

from functools import partial
from typing import Literal, NamedTuple, Unpack, get_args

import numpy as np
import torch
from scipy.linalg import eigh
from torch import Tensor

from leyden.core.estimator import register_estimates
from leyden.transfer.domain.adaptation import Adaptation, Adapted
from leyden.transfer.domain.classifiers import squared_distances
from leyden.transfer.domain.closed_form.eigenvectors import scatter, solve
from leyden.transfer.domain.estimator import DomainEstimator
from leyden.transfer.domain.options import EstimatorKwargs

Kernel = Literal["linear", "rbf", "primal"]
RANK = 1e-12
"""Eigenvalues of a kernel below this part of the greatest are taken for 0."""


def kernel_rows(a: Tensor, b: Tensor, kernel: Kernel, gamma: float) -> Tensor:
    """What describes the examples ``a`` in TCA: their kernel with ``b``, or for "primal" they themselves.

    Args:
        a: (N, D) features.
        b: (M, D) those of the fit; not used by "primal".
        kernel: "linear" a b^T, "rbf" exp(-gamma ||a - b||^2), or "primal".
        gamma: of "rbf".

    Returns:
        (N, M), or (N, D) for "primal".
    """
    if kernel == "primal":
        return a
    if kernel == "linear":
        return a @ b.T
    return squared_distances(a, b).mul_(-gamma).exp_()


def discrepancy(rows: Tensor, source_count: int) -> Tensor:
    """F^T e (M,): the difference of the domains' mean rows; its square is the MMD^2 in the space of the rows.

    Args:
        rows: F (N, M), the source's first.
        source_count: how many are the source's.
    """
    return rows[:source_count].mean(0) - rows[source_count:].mean(0)


def transfer_components(rows: Tensor, source_count: int, count: int, mu: float) -> tuple[Tensor, Tensor]:
    """The components W of TCA, best first.

    Args:
        rows: F (N, M) float64, the source's first.
        source_count: how many are the source's.
        count: of components, 1 to M.
        mu: weight of ||W||^2; small values remove the discrepancy, large ones lead to (kernel) PCA.

    Returns:
        W (M, count), and the generalised eigenvalues (count,).

    Raises:
        ValueError: more components than M, or mu is not positive.
    """
    return solve(scatter(rows), discrepancy(rows, source_count)[:, None], count, mu)


class Description(NamedTuple):
    """How examples become the rows F of a fit."""

    known: Tensor
    """(M, D) examples whose kernel with a new one is its row; empty: the row is made of the features themselves."""
    then: Tensor
    """What such a kernel, or the features, are multiplied with; empty: nothing."""


def describe(x: Tensor, kernel: Kernel, gamma: float, landmarks: int | None, seed: int = 0) -> Description:
    """The cheapest exact description of examples, or Nystroem's.

    Args:
        x: (N, D) all examples.
        kernel: see ``kernel_rows``.
        gamma: of "rbf".
        landmarks: so many examples, drawn by ``seed``, stand for all in the rbf kernel; None: exact.
        seed: of the landmarks.
    """
    none = x.new_empty(0)
    if kernel == "primal":
        return Description(none, none)
    if kernel == "linear":
        return Description(none, _linear_rows(x))
    if landmarks is None or landmarks >= len(x):
        return Description(x, none)
    known = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:landmarks]]
    values, vectors = eigh(kernel_rows(known, known, kernel, gamma).numpy())
    kept = values > RANK * values[-1]
    root = torch.from_numpy(vectors[:, kept] / np.sqrt(values[kept]))  # k(C, C)^-1/2, up to a rotation
    return Description(known, root @ _linear_rows(kernel_rows(x, known, kernel, gamma) @ root))


def _linear_rows(x: Tensor) -> Tensor:
    """V S (D, r) of X = U S V^T: the rows X V S have the components of the linear kernel X X^T."""
    if len(x) >= x.shape[1]:
        values, vectors = eigh((x.T @ x).numpy())
        kept = values > RANK * values[-1]
        return torch.from_numpy(vectors[:, kept] * np.sqrt(values[kept]))
    values, vectors = eigh((x @ x.T).numpy())
    return x.T @ torch.from_numpy(vectors[:, values > RANK * values[-1]])


def check_width(gamma: float | None) -> None:
    """Refuses a kernel's width.

    Raises:
        ValueError: ``gamma`` is not above 0.
    """
    if gamma is not None and gamma <= 0:
        raise ValueError(f"model.gamma={gamma}: an rbf kernel's should be above 0, or null for 1 / number of features")


class TransferComponents(Adaptation):
    """TCA's projection.

    Args:
        kernel: see ``kernel_rows``.
        components: of the projection; None: none.
        mu: see ``transfer_components``.
        gamma: of "rbf"; None: 1 / number of features.
        landmarks: see ``describe``.
        mmd: False leaves the discrepancy out, L = 0: (kernel) PCA.

    Raises:
        ValueError: another kernel, or a width that is not above 0.
    """

    known: Tensor
    components: Tensor

    def __init__(
        self,
        kernel: Kernel,
        components: int | None,
        mu: float,
        gamma: float | None,
        landmarks: int | None = None,
        mmd: bool = True,
    ) -> None:
        super().__init__()
        if kernel not in get_args(Kernel):
            raise ValueError(f"model.kernel={kernel!r}: there are {', '.join(get_args(Kernel))}")
        check_width(gamma)
        self.kernel, self.count, self.mu, self.gamma, self.landmarks = kernel, components, mu, gamma, landmarks
        self.mmd = mmd
        register_estimates(self, "known", "components")

    def fit(self, source: Tensor, labels: Tensor, target: Tensor) -> Adapted:
        """Computes the projection, on the CPU; labels are not used."""
        if self.count is None:
            return Adapted(source, target)
        x = torch.cat([source, target]).cpu()
        how = describe(x, self.kernel, self._gamma(x), self.landmarks)
        rows = self._rows(x, how)
        weights = self.weights(rows, labels.cpu(), len(source))
        self.known = how.known.to(source.device)
        self.components = (how.then @ weights if len(how.then) else weights).to(source.device)
        codes = (rows @ weights).to(source.device)
        return Adapted(codes[: len(source)], codes[len(source) :])

    def weights(self, rows: Tensor, labels: Tensor, source_count: int) -> Tensor:
        """The components W (M, count) of rows F (N, M)."""
        assert self.count is not None
        if not self.mmd:
            return solve(scatter(rows), rows.new_zeros(rows.shape[1], 1), self.count, self.mu)[0]
        return transfer_components(rows, source_count, self.count, self.mu)[0]

    def forward(self, x: Tensor) -> Tensor:
        """Features (N, D) to codes (N, components)."""
        if self.count is None:
            return x
        return self._kernel(x, self.known) @ self.components

    def directions(self) -> Tensor | None:
        """(D, components); None for a kernel that is not linear."""
        return self.components if self.count is not None and not len(self.known) else None

    def _rows(self, x: Tensor, how: Description) -> Tensor:
        rows = self._kernel(x, how.known)
        return rows @ how.then if len(how.then) else rows

    def _kernel(self, x: Tensor, known: Tensor) -> Tensor:
        return kernel_rows(x, known, self.kernel, self._gamma(x)) if len(known) else x

    def _gamma(self, x: Tensor) -> float:
        return 1 / x.shape[1] if self.gamma is None else self.gamma


class TCA(DomainEstimator):
    """Transfer component analysis with a classifier behind it.

    Args:
        class_names: of both domains; given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        feature_names: of rows; given by the data.
        tasks: names of the pairs of domains; given by the data.
        kernel: "linear", "rbf", or "primal" (a projection of the features themselves, fast with many examples).
        components: of the projection; null: no projection, the floor row.
        mu: weight of the projection's size; small values remove the domains' distance, large ones lead to PCA.
        gamma: of the rbf kernel; null: 1 / number of features.
        landmarks: so many training examples stand for all in the rbf kernel (Nystroem); null: exact, whose time grows
            with the third power of ``max_examples``.
        mmd: false leaves the domains' discrepancy out, the control: (kernel) PCA.
        options: see ``EstimatorOptions``.

    Raises:
        ValueError: an unknown kernel, a width that is not above 0, or an option that is none.
    """

    def __init__(
        self,
        class_names: list[str],
        channels: int | None = None,
        image_size: int | None = None,
        feature_names: list[str] | None = None,
        tasks: list[str] | None = None,
        kernel: Kernel = "rbf",
        components: int | None = 30,
        mu: float = 0.1,
        gamma: float | None = None,
        landmarks: int | None = None,
        mmd: bool = True,
        **options: Unpack[EstimatorKwargs],
    ) -> None:
        adaptation = partial(TransferComponents, kernel, components, mu, gamma, landmarks, mmd)
        super().__init__(class_names, channels, image_size, feature_names, tasks, adaptation, **options)
        self.save_hyperparameters(logger=False)
