"""CORAL: the source's features get the covariance of the target's.

Sun, Feng and Saenko 2016, "Return of Frustratingly Easy Domain Adaptation". With the covariances C_s and C_t of either
domain's features, each plus ``ridge`` times the identity (Algorithm 1: 1),

    source codes  X_s C_s^{-1/2} C_t^{1/2},   target codes  X_t:

whitened, then coloured again. The classifier learns from the first and predicts target features as they are. Means are
not moved: standardise for that. Covariances divide by n - 1. Without the identity 157 examples of 800 features have no
inverse.

Whether it helps depends on the classifier: on Office-Caltech10 it does with a nearest neighbour, and it hurts a linear
SVM (experiment transfer_domain_office).
"""

from functools import partial
from typing import Unpack

import torch
from torch import Tensor

from leyden.transfer.domain.adaptation import Adaptation, Adapted
from leyden.transfer.domain.estimator import DomainEstimator
from leyden.transfer.domain.options import EstimatorKwargs


def power(matrix: Tensor, exponent: float) -> Tensor:
    """A symmetric positive definite matrix (D, D) to a power."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values**exponent) @ vectors.T


def recoloured(source: Tensor, target: Tensor, ridge: float) -> Tensor:
    """X_s C_s^{-1/2} C_t^{1/2} (Ns, D) of features (Ns, D) and (Nt, D)."""
    identity = ridge * torch.eye(source.shape[1], dtype=source.dtype, device=source.device)
    whiten, colour = (power(x.T.cov() + identity, p) for x, p in ((source, -0.5), (target, 0.5)))
    return source @ whiten @ colour


class Recolouring(Adaptation):
    """CORAL's map of the source; ``ridge`` times the identity is added to both covariances.

    Raises:
        ValueError: ``ridge`` is not above 0; in ``fit`` a domain has one example alone.
    """

    def __init__(self, ridge: float) -> None:
        super().__init__()
        if ridge <= 0:
            raise ValueError(f"model.ridge={ridge}: should be above 0, or few examples have no inverse covariance")
        self.ridge = ridge

    def fit(self, source: Tensor, labels: Tensor, target: Tensor) -> Adapted:
        """Maps the source; labels are not used."""
        if min(len(source), len(target)) < 2:
            raise ValueError(
                f"a covariance needs two examples, and there are {len(source)} and {len(target)}: give more"
            )
        return Adapted(recoloured(source, target, self.ridge), target)


class CORAL(DomainEstimator):
    """Correlation alignment with a classifier behind it.

    Args:
        class_names: of both domains; given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        feature_names: of rows; given by the data.
        tasks: names of the pairs of domains; given by the data.
        ridge: times the identity, added to both covariances; 1 in the paper.
        options: see ``EstimatorOptions``.

    Raises:
        ValueError: ``ridge`` is not above 0, or an option that is none.
    """

    def __init__(
        self,
        class_names: list[str],
        channels: int | None = None,
        image_size: int | None = None,
        feature_names: list[str] | None = None,
        tasks: list[str] | None = None,
        ridge: float = 1.0,
        **options: Unpack[EstimatorKwargs],
    ) -> None:
        adaptation = partial(Recolouring, ridge)
        super().__init__(class_names, channels, image_size, feature_names, tasks, adaptation, **options)
        self.save_hyperparameters(logger=False)
