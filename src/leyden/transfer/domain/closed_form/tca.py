"""TCA: a projection in which two domains look alike, in closed form, and a nearest neighbour behind it.

Pan, Tsang, Kwok and Yang 2011, "Domain Adaptation via Transfer Component Analysis". With the rows of F describing all
examples, source before target (F = K, the kernel between all pairs of them, or F = X, the features themselves),
e = (1/ns, ..., 1/ns, -1/nt, ..., -1/nt) and L = e e^T, the squared distance of the domains' means in the projection
Z = F W is tr(W^T F^T L F W), the maximum mean discrepancy. With H = I - 1 1^T / n the components solve

    max_W  tr( (W^T (F^T L F + mu I) W)^-1  W^T F^T H F W ),

that is they are the top generalised eigenvectors of (F^T H F, F^T L F + mu I): most variance for least discrepancy.
Both matrices are symmetric and the second is positive definite, so ``scipy.linalg.eigh`` solves them as they are;
(F^T L F + mu I)^-1 F^T H F itself is not symmetric, and an ``eigh`` of it gives other vectors. W is normalised so that
W^T (F^T L F + mu I) W = I.

New examples are projected by their kernel with those of the fit (or their features), without centring again.
Labels of the source alone are used, by the 1-nearest-neighbour classifier in Z that the paper takes.

Departures: features are pixels, standardised; where all pixels are standardised per domain, both means are 0 and with a
linear kernel there is no discrepancy left to remove: TCA is PCA then. ``standardise: joint`` is the default therefore.
"""

from typing import Any, Literal, get_args

import numpy as np
import torch
from scipy.linalg import eigh
from torch import Tensor, nn

from leyden.core.estimator import EstimatorTask, register_estimates
from leyden.core.seeding import mix
from leyden.data.batches.domains import DomainImages
from leyden.data.splits import InMemory, Split, decode
from leyden.metrics.fidelity import distances
from leyden.transfer.classifier import ClassifierTask

Kernel = Literal["linear", "rbf", "primal"]
Standardise = Literal["joint", "domain", "none"]


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
    squares = a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T
    return (-gamma * squares.clamp(min=0)).exp()


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
    size = rows.shape[1]
    if not 1 <= count <= size:
        raise ValueError(f"model.components={count}: there are 1 to {size}")
    if mu <= 0:
        raise ValueError(f"model.mu={mu}: should be above 0")
    centred = rows - rows.mean(0)
    apart = discrepancy(rows, source_count)
    within = (torch.outer(apart, apart) + mu * torch.eye(size, dtype=rows.dtype)).numpy()
    values, vectors = eigh((centred.T @ centred).numpy(), within, subset_by_index=[size - count, size - 1])
    return torch.from_numpy(np.ascontiguousarray(vectors[:, ::-1])), torch.from_numpy(values[::-1].copy())


class TransferComponents(nn.Module):
    """Standardised pixels, TCA's projection and a nearest neighbour among the source's projected examples.

    Args:
        classes: how many.
        kernel: see ``kernel_rows``.
        components: of the projection; None: none, the nearest neighbour is sought among pixels.
        mu: see ``transfer_components``.
        gamma: of "rbf"; None: 1 / number of pixels.
        standardise: pixels get mean 0 and deviation 1 over both domains ("joint"), over each ("domain"), or are left
            as they are ("none"). What is new counts as of the target domain.
    """

    fit_pixels: Tensor
    mean: Tensor
    std: Tensor
    components: Tensor
    source_codes: Tensor
    source_labels: Tensor

    def __init__(
        self,
        classes: int,
        kernel: Kernel,
        components: int | None,
        mu: float,
        gamma: float | None,
        standardise: Standardise,
    ) -> None:
        super().__init__()
        for name, value, known in (("kernel", kernel, Kernel), ("standardise", standardise, Standardise)):
            if value not in get_args(known):
                raise ValueError(f"model.{name}={value!r}: there are {', '.join(get_args(known))}")
        self.classes, self.kernel, self.count, self.mu, self.gamma = classes, kernel, components, mu, gamma
        self.standardise = standardise
        register_estimates(self, "fit_pixels", "mean", "std", "components", "source_codes", "source_labels")

    def fit(self, source: Tensor, labels: Tensor, target: Tensor) -> dict[str, float]:
        """Computes the projection.

        Args:
            source: uint8 images (Ns, C, S, S).
            labels: (Ns,) their classes.
            target: uint8 images (Nt, C, S, S).

        Returns:
            ``train/mmd_ratio``: squared distance of the domains' means over the variance, in the projection.
        """
        device, count = source.device, len(source)
        xs, xt = pixels(source).cpu(), pixels(target).cpu()
        both = torch.cat([xs, xt])
        if self.standardise == "domain":
            (mean_s, std_s), (mean_t, std_t) = moments(xs), moments(xt)
        else:
            mean_s, std_s = moments(both) if self.standardise == "joint" else (both.new_zeros(1), both.new_ones(1))
            mean_t, std_t = mean_s, std_s
        x = torch.cat([(xs - mean_s) / std_s, (xt - mean_t) / std_t])
        self.mean, self.std = mean_t.to(device), std_t.to(device)
        self.source_labels = labels
        codes = x
        if self.count is not None:
            rows = kernel_rows(x, x, self.kernel, self._gamma(x))
            weights, _ = transfer_components(rows, count, self.count, self.mu)
            self.components = weights.to(device)
            self.fit_pixels = torch.empty(0) if self.kernel == "primal" else x.to(device)
            codes = rows @ weights
        self.source_codes = codes[:count].to(device)
        ratio = discrepancy(codes, count).square().sum() / codes.var(0, correction=0).sum()
        return {"train/mmd_ratio": float(ratio)}

    def codes(self, images: Tensor) -> Tensor:
        """uint8 images (B, C, S, S) of the target domain to float64 codes (B, components)."""
        x = (pixels(images) - self.mean) / self.std
        if self.count is None:
            return x
        return kernel_rows(x, self.fit_pixels, self.kernel, self._gamma(x)) @ self.components

    def forward(self, images: Tensor) -> Tensor:
        """uint8 images (B, C, S, S) to logits (B, classes): minus the squared distance to each class's nearest."""
        between = distances(self.codes(images), self.source_codes).square()
        far = between.new_full((len(images), self.classes), torch.inf)
        return -far.scatter_reduce(1, self.source_labels.expand(len(images), -1), between, "amin").float()

    def _gamma(self, x: Tensor) -> float:
        return 1 / x.shape[1] if self.gamma is None else self.gamma


def drawn(split: Split, count: int | None, seed: int) -> Any:
    """Columns of ``count`` examples of a split, or of all: drawn at random, in the split's order."""
    columns = split if isinstance(split, InMemory) else decode(split)
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))[:count]
    return columns.take(order.sort().values.to(columns.device))


def pixels(images: Tensor) -> Tensor:
    """uint8 images (B, C, S, S) to float64 vectors (B, C * S * S) in [0, 1]."""
    return images.flatten(1).double() / 255


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and population deviation (D,) of features (N, D); a deviation of 0 counts as 1."""
    deviation = x.std(0, correction=0)
    return x.mean(0), torch.where(deviation > 0, deviation, torch.ones_like(deviation))


class TCA(EstimatorTask, ClassifierTask):
    """Transfer component analysis with a nearest-neighbour classifier.

    Args:
        class_names: of both domains; given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        kernel: "linear", "rbf", or "primal" (a projection of the pixels themselves, fast with many examples).
        components: of the projection; null: no projection, nearest neighbours among pixels, the floor row.
        mu: weight of the projection's size; small values remove the domains' distance, large ones lead to PCA.
        gamma: of the rbf kernel; null: 1 / number of pixels.
        standardise: "joint", "domain" or "none", see ``TransferComponents``.
        max_examples: so many training examples of each domain, drawn by the data's seed, are fitted; null: all. The
            time of a kernel grows with the third power.

    Raises:
        ValueError: an unknown kernel or standardisation.
    """

    net: TransferComponents

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        kernel: Kernel = "rbf",
        components: int | None = 30,
        mu: float = 0.1,
        gamma: float | None = None,
        standardise: Standardise = "joint",
        max_examples: int | None = 800,
    ) -> None:
        net = TransferComponents(len(class_names), kernel, components, mu, gamma, standardise)
        super().__init__(class_names, channels, image_size, net)
        self.save_hyperparameters(logger=False)
        self.max_examples = max_examples

    def estimate(self, data: Any) -> dict[str, float]:
        """Fits the projection to the training images of both domains and the source's labels.

        Raises:
            ValueError: data of another kind.
        """
        if not isinstance(data, DomainImages):
            raise ValueError("transfer/tca learns from data=transfer/domains")
        source, target = (
            drawn(split, self.max_examples, mix(data.seed, number))
            for number, split in enumerate([data.split("train"), data.target_split()])
        )
        return self.net.fit(source.images.to(self.device), source.labels.to(self.device), target.images)

    def forward(self, images: Tensor) -> Tensor:
        """uint8 images (B, C, S, S) to logits (B, classes)."""
        self.check_fitted()
        return self.net(images)

    def validation_step(self, batch: Any, batch_index: int) -> None:
        """Updates ``val/accuracy`` on the source's validation split; before the fit, in a sanity check, nothing."""
        if self.fitted:
            super().validation_step(batch, batch_index)
