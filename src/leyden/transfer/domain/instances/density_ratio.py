"""The density ratio of target to source from a classifier that tells the domains apart.

Bickel, Brueckner and Scheffer 2007, "Discriminative Learning for Differing Training and Test Distributions". For a
logistic regression that predicts the domain, Bayes' rule gives

    w(x) = p_target(x) / p_source(x) = ns/nt  P(target | x) / P(source | x)

Weights above ``greatest`` are cut there: where the classifier is sure, the ratio has no bound, and few examples would
decide everything. Departure: the paper learns domain and class together; here one after the other, as most do.
"""

from functools import partial
from typing import Unpack

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from leyden.transfer.domain.instances.weighting import InstanceWeights, WeightedEstimator
from leyden.transfer.domain.options import EstimatorKwargs


def density_ratio(source: Tensor, target: Tensor, c: float) -> Tensor:
    """w (Ns,) of source features (Ns, D) for a target (Nt, D); ``c`` is the inverse weight of the penalty."""
    x = torch.cat([source, target]).numpy()
    is_target = np.r_[np.zeros(len(source)), np.ones(len(target))]
    log_odds = LogisticRegression(C=c, max_iter=1000).fit(x, is_target).decision_function(source.numpy())
    return torch.from_numpy(np.exp(log_odds)) * len(source) / len(target)


class DomainClassifierWeights(InstanceWeights):
    """Weights by a domain classifier.

    Args:
        domain_c: inverse weight of its penalty.
        greatest: weights above are cut.

    Raises:
        ValueError: one is not above 0.
    """

    def __init__(self, domain_c: float, greatest: float) -> None:
        super().__init__()
        if min(domain_c, greatest) <= 0:
            raise ValueError(f"model.domain_c={domain_c} and model.greatest={greatest} should be above 0")
        self.domain_c, self.greatest = domain_c, greatest

    def weigh(self, source: Tensor, target: Tensor) -> Tensor:
        """Weights (Ns,) of source features (Ns, D) for a target (Nt, D)."""
        return density_ratio(source, target, self.domain_c).clamp(max=self.greatest)


class DensityRatio(WeightedEstimator):
    """Weights by a domain classifier, with a weighted classifier of the classes.

    Args:
        class_names: of both domains; given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        feature_names: of rows; given by the data.
        tasks: names of the pairs of domains; given by the data.
        domain_c: inverse weight of the domain classifier's penalty.
        greatest: weights above are cut.
        options: see ``WeightedOptions``.

    Raises:
        ValueError: a number out of its range, or an option that is none.
    """

    def __init__(
        self,
        class_names: list[str],
        channels: int | None = None,
        image_size: int | None = None,
        feature_names: list[str] | None = None,
        tasks: list[str] | None = None,
        domain_c: float = 1.0,
        greatest: float = 50.0,
        **options: Unpack[EstimatorKwargs],
    ) -> None:
        adaptation = partial(DomainClassifierWeights, domain_c, greatest)
        super().__init__(class_names, channels, image_size, feature_names, tasks, adaptation, **options)
        self.save_hyperparameters(logger=False)
