"""Subspace alignment: each domain's principal components, and the map from the source's to the target's.

Fernando, Habrard, Sebban and Tuytelaars 2013, "Unsupervised Visual Domain Adaptation Using Subspace Alignment". With
P_s and P_t the first d principal directions (D, d) of either domain, the alignment that minimises ||P_s A - P_t||_F is

    A = P_s^T P_t                                              (eq. 3)
    source codes  X_s P_s A,   target codes  X_t P_t           (Algorithm 1)

where X is centred for each domain. A classifier, in the paper a nearest neighbour or an SVM, learns from the first and
predicts the second. ||P_s^T P_t||_F^2 is the sum of the squared cosines of the principal angles between the subspaces,
d where they are the same.
"""

from functools import partial
from typing import Unpack

import torch
from torch import Tensor

from leyden.core.estimator import register_estimates
from leyden.transfer.domain.adaptation import Adaptation, Adapted
from leyden.transfer.domain.estimator import DomainEstimator
from leyden.transfer.domain.options import EstimatorKwargs


def principal_directions(x: Tensor, count: int) -> Tensor:
    """The first ``count`` right singular vectors (D, count) of centred features (N, D)."""
    centred = x - x.mean(0)
    if len(x) < x.shape[1]:
        return torch.linalg.svd(centred, full_matrices=False).Vh[:count].T
    # For 1,123 examples of 800 features half the time of a singular value decomposition.
    return torch.linalg.eigh(centred.T @ centred).eigenvectors.flip(1)[:, :count]


class Alignment(Adaptation):
    """Subspace alignment of d = ``components`` directions.

    Raises:
        ValueError: it is below 1; in ``fit`` also more than the examples of a domain or the features span.
    """

    basis: Tensor
    centre: Tensor

    def __init__(self, components: int) -> None:
        super().__init__()
        if components < 1:
            raise ValueError(f"model.components={components}: should be 1 or more")
        self.count = components
        register_estimates(self, "basis", "centre")

    def fit(self, source: Tensor, labels: Tensor, target: Tensor) -> Adapted:
        """Computes both subspaces and A; labels are not used."""
        for name, x in (("source", source), ("target", target)):
            most = min(len(x) - 1, x.shape[1])
            if self.count > most:
                raise ValueError(
                    f"model.components={self.count}: {len(x)} examples of {x.shape[1]} features of the {name} span "
                    f"{most} directions at most; ask for fewer, or give more examples"
                )
        of_source, self.basis = principal_directions(source, self.count), principal_directions(target, self.count)
        self.centre = target.mean(0)
        alignment = of_source.T @ self.basis
        return Adapted((source - source.mean(0)) @ of_source @ alignment, self(target))

    def forward(self, x: Tensor) -> Tensor:
        """Features (N, D) of the target to codes (N, d)."""
        return (x - self.centre) @ self.basis

    def directions(self) -> Tensor | None:
        """(D, d) those of the target."""
        return self.basis


class SubspaceAlignment(DomainEstimator):
    """Subspace alignment with a classifier behind it.

    Args:
        class_names: of both domains; given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        feature_names: of rows; given by the data.
        tasks: names of the pairs of domains; given by the data.
        components: d, directions of either subspace.
        options: see ``EstimatorOptions``.

    Raises:
        ValueError: fewer than one component, or an option that is none.
    """

    def __init__(
        self,
        class_names: list[str],
        channels: int | None = None,
        image_size: int | None = None,
        feature_names: list[str] | None = None,
        tasks: list[str] | None = None,
        components: int = 20,
        **options: Unpack[EstimatorKwargs],
    ) -> None:
        adaptation = partial(Alignment, components)
        super().__init__(class_names, channels, image_size, feature_names, tasks, adaptation, **options)
        self.save_hyperparameters(logger=False)
