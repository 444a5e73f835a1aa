"""SCL: pivot words that mean the same in both domains say which other words correspond.

Blitzer, McDonald and Pereira 2006, "Domain Adaptation with Structural Correspondence Learning", with the choice of
pivots of Blitzer, Dredze and Pereira 2007, "Biographies, Bollywood, Boom-boxes and Blenders":

    1. pivots: of the features that ``min_count`` examples of either domain have, the m with the highest mutual
       information with the source's labels,
    2. for each pivot l a linear predictor w_l, from all other features, of whether an example has it; learnt from all
       examples of both domains, no label needed,
    3. W = [w_1 ... w_m], its singular value decomposition W = U D V^T, theta = the first h columns of U,
    4. the classifier learns from [x, alpha theta^T x].

"great" is a pivot of reviews: in those of kettles it comes with "easy to clean", in those of films with "the cast".
Both then have like rows in theta, and what the source's labels say of one holds for the other.

Departures: the predictors minimise the squared error with a ridge, all m in one linear system (the paper's minimise
the modified Huber loss by stochastic gradients); theta^T x is centred and scaled to deviation 1 over both domains, then
multiplied by alpha / sqrt(h), so that both parts have about length 1 and alpha for TF-IDF.
"""

from functools import partial
from typing import Any, Unpack

import torch
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix
from torch import Tensor

from leyden.core.estimator import register_estimates
from leyden.transfer.domain.adaptation import Adaptation, Adapted, moments
from leyden.transfer.domain.estimator import DomainEstimator
from leyden.transfer.domain.options import EstimatorKwargs
from leyden.transfer.domain.text.options import TextOptions
from leyden.transfer.domain.text.pivots import SHOWN, log_pivots


def mutual_information(occurs: Tensor, labels: Tensor) -> Tensor:
    """Of each feature's occurrence with the class, in nats.

    Args:
        occurs: (N, D) bool.
        labels: (N,) classes.

    Returns:
        (D,) float64, 0 to ln 2.
    """
    with_it = torch.stack([occurs[labels == label].double().sum(0) for label in labels.unique()])  # (C, D)
    sizes = labels.unique(return_counts=True)[1].double()[:, None]
    joint = torch.stack([with_it, sizes - with_it]) / len(labels)  # (2, C, D)
    independent = joint.sum(0, keepdim=True) * joint.sum(1, keepdim=True)
    return (joint * (joint / independent).where(joint > 0, torch.ones(())).log()).sum((0, 1))


def choose_pivots(source: Tensor, labels: Tensor, target: Tensor, count: int, min_count: int) -> tuple[Tensor, Tensor]:
    """Places (m,) of the pivots among the features, the most informative first, and their mutual information (m,).

    Args:
        source: (Ns, D) features; one that is not 0 occurs.
        labels: (Ns,).
        target: (Nt, D).
        count: m; fewer where fewer are frequent enough.
        min_count: examples of either domain that have a pivot, at least.

    Raises:
        ValueError: fewer than two are frequent enough.
    """
    occurs, there = source != 0, target != 0
    frequent = (occurs.sum(0) >= min_count) & (there.sum(0) >= min_count)
    constant = occurs.all(0) & there.all(0)  # nothing to predict
    allowed = (frequent & ~constant).nonzero().flatten()
    if len(allowed) < 2:
        raise ValueError(
            f"{len(allowed)} features occur in {min_count} examples of both domains, and pivots need two or more: "
            "lower model.min_count, or choose domains that share words"
        )
    information = mutual_information(occurs[:, allowed], labels)
    order = information.argsort(descending=True, stable=True)[:count]
    return allowed[order], information[order]


def pivot_predictors(x: Tensor, pivots: Tensor, ridge: float) -> Tensor:
    """W (D, m): (Z^T Z + ridge I)^-1 Z^T P with P centred; rows of the pivots themselves are 0.

    Args:
        x: (N, D) features of both domains; Z are its columns but the pivots'.
        pivots: (m,) places.
        ridge: above 0.
    """
    others = torch.ones(x.shape[1], dtype=torch.bool)
    others[pivots.cpu()] = False
    occurs = (x[:, pivots] != 0).double()
    z = csr_matrix(x[:, others.to(x.device)].cpu().numpy())  # words are rare, and a product of zeros takes as long
    gram = (z.T @ z).toarray()
    gram[range(len(gram)), range(len(gram))] += ridge
    found = cho_solve(cho_factor(gram), z.T @ (occurs - occurs.mean(0)).cpu().numpy())
    w = x.new_zeros(x.shape[1], len(pivots))
    w[others.to(x.device)] = torch.from_numpy(found).to(x)
    return w


class Correspondence(Adaptation):
    """SCL's features behind the given ones.

    Args:
        pivots: m.
        dimensions: h; fewer where there are fewer pivots.
        alpha: length of the new features.
        ridge: of the predictors' squared norms.
        min_count: examples of either domain that have a pivot, at least.

    Raises:
        ValueError: a number out of its range.
    """

    places: Tensor
    information: Tensor
    predictors: Tensor
    """(D, up to ``SHOWN``) weights of the first pivots' predictors."""
    theta: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(self, pivots: int, dimensions: int, alpha: float, ridge: float, min_count: int) -> None:
        super().__init__()
        if min(pivots, dimensions, min_count) < 1 or min(alpha, ridge) <= 0:
            raise ValueError(
                f"model.pivots={pivots}, dimensions={dimensions} and min_count={min_count} count from 1, "
                f"alpha={alpha} and ridge={ridge} are above 0"
            )
        self.pivots, self.dimensions, self.alpha = pivots, dimensions, alpha
        self.ridge, self.min_count = ridge, min_count
        register_estimates(self, "places", "information", "predictors", "theta", "mean", "scale")

    def fit(self, source: Tensor, labels: Tensor, target: Tensor) -> Adapted:
        """Finds pivots by the source's labels, and correspondences by all examples."""
        self.places, self.information = choose_pivots(source, labels, target, self.pivots, self.min_count)
        x = torch.cat([source, target])
        w = pivot_predictors(x, self.places, self.ridge)
        self.predictors = w[:, :SHOWN].clone()
        self.theta = torch.linalg.svd(w, full_matrices=False).U[:, : self.dimensions]
        self.mean, deviation = moments(x @ self.theta)
        self.scale = self.alpha / (self.theta.shape[1] ** 0.5 * deviation)
        return Adapted(self(source), self(target))

    def forward(self, x: Tensor) -> Tensor:
        """Features (N, D) to [x, alpha theta^T x]: (N, D + h)."""
        return torch.cat([x, (x @ self.theta - self.mean) * self.scale], 1)


class SCL(DomainEstimator):
    """Structural correspondence learning with a linear classifier behind it.

    Args:
        class_names: of both domains; given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        feature_names: of rows; given by the data.
        tasks: names of the pairs of domains; given by the data.
        pivots: m, features that mean the same in both domains.
        dimensions: h, singular directions of the pivots' predictors.
        alpha: length of the new features, beside 1 of a row of TF-IDF.
        ridge: of the predictors' squared norms.
        min_count: examples of either domain that have a pivot, at least.
        options: see ``TextOptions``.

    Raises:
        ValueError: a number out of its range, or an option that is none.
    """

    options_type = TextOptions
    main_image = "words"

    def __init__(
        self,
        class_names: list[str],
        channels: int | None = None,
        image_size: int | None = None,
        feature_names: list[str] | None = None,
        tasks: list[str] | None = None,
        pivots: int = 100,
        dimensions: int = 50,
        alpha: float = 1.0,
        ridge: float = 1.0,
        min_count: int = 10,
        **options: Unpack[EstimatorKwargs],
    ) -> None:
        adaptation = partial(Correspondence, pivots, dimensions, alpha, ridge, min_count)
        super().__init__(class_names, channels, image_size, feature_names, tasks, adaptation, **options)
        self.save_hyperparameters(logger=False)

    def _draw(self, data: Any) -> None:
        """The pivots, too, where features are words."""
        super()._draw(data)
        scl = self.net.adaptation
        if isinstance(scl, Correspondence) and self.options.tfidf and self.options.svd is None and self.feature_names:
            pair = data.pairs()[0]
            log_pivots(self, scl.places, scl.information, scl.predictors, pair, self.feature_names, self.class_names)
