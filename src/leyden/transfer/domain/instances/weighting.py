"""What techniques share that weight the source's examples: the task, its options, and the weights as an adaptation."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from leyden.core.estimator import register_estimates
from leyden.transfer.domain.adaptation import Adaptation, Adapted
from leyden.transfer.domain.classifiers import Kind
from leyden.transfer.domain.estimator import DomainEstimator
from leyden.transfer.domain.options import EstimatorOptions


class InstanceWeights(Adaptation):
    """Leaves features as they are and weights the source's examples; a child says how, in ``weigh``."""

    weighs: ClassVar[bool] = True
    weights: Tensor

    def __init__(self) -> None:
        super().__init__()
        register_estimates(self, "weights")

    def fit(self, source: Tensor, labels: Tensor, target: Tensor) -> Adapted:
        """Computes the weights, of mean 1; labels are not used.

        Raises:
            ValueError: all are 0 or one is not finite: no source example is like the target.
        """
        weights = self.weigh(source.cpu(), target.cpu())
        if not weights.isfinite().all() or float(weights.sum()) <= 0:
            raise ValueError(
                "no source example is like the target, so nothing has a weight: widen the kernel (a smaller "
                "model.gamma), or standardise (model.standardise=joint)"
            )
        self.weights = (weights / weights.mean()).to(source.device)
        return Adapted(source, target, self.weights)

    def weigh(self, source: Tensor, target: Tensor) -> Tensor:
        """Weights (Ns,) >= 0 of source features (Ns, D) for a target (Nt, D)."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it weights")


@dataclass(frozen=True)
class WeightedOptions(EstimatorOptions):
    """Those of all techniques without gradient descent, with a classifier that takes weights."""

    classifier: Kind = "logistic"
    """ "logistic" regression or a linear "svm"."""


class WeightedEstimator(DomainEstimator):
    """Base of techniques that weight: draws the weights after the test."""

    options_type = WeightedOptions
    main_image = "weights"
