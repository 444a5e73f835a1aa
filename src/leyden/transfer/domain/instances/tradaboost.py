"""TrAdaBoost: boosting that trusts few labelled target examples, and source examples as long as they do not disagree.

Dai, Yang, Xue and Yu 2007, "Boosting for Transfer Learning", algorithm 1, with n source and m target examples and N
rounds. A classifier h_t learns from all, weighted by p = w / sum(w); with its 0/1 loss |h_t(x_i) - y_i|

    eps_t = sum_target w_i |h_t(x_i) - y_i| / sum_target w_i,    beta_t = eps_t / (1 - eps_t),  eps_t < 1/2
    beta  = 1 / (1 + sqrt(2 ln n / N))
    w_i  <- w_i beta^{|h_t(x_i) - y_i|}       of the source: what is wrong fades
    w_i  <- w_i beta_t^{-|h_t(x_i) - y_i|}    of the target: what is wrong grows, as in AdaBoost

The last half of the rounds vote: class 1 where prod_{t >= N/2} beta_t^{-h_t(x)} >= prod_{t >= N/2} beta_t^{-1/2}. For
more than two classes the vote is the class with the largest sum of log(1 / beta_t); for two that is the same rule.

eps_t is kept within [LEAST, 1/2 - LEAST]: with a few target examples it is soon 0, and then nothing would be learnt
any more. adapt's own version has soft errors and beta_t = eps / (2 - eps): it is another algorithm.

The labelled target examples come from ``data.target_labels``; unlabelled ones are not used. The vote's logits are the
logarithms of the votes' shares, so that a softmax gives the shares.
"""

from functools import partial
from typing import NamedTuple, Unpack

import torch
from torch import Tensor

from leyden.core.estimator import register_estimates
from leyden.data.batches.domain_pair import Pair
from leyden.data.splits import InMemory, decode
from leyden.transfer.domain.adaptation import Adaptation, Adapted, AdaptedClassifier, Standardise
from leyden.transfer.domain.classifiers import FeatureClassifier, Kind
from leyden.transfer.domain.instances.weighting import InstanceWeights, WeightedEstimator
from leyden.transfer.domain.options import EstimatorKwargs

LEAST = 1e-3
"""How near eps_t may come to 0 and to 1/2."""


def source_factor(count: int, rounds: int) -> float:
    """beta = 1 / (1 + sqrt(2 ln n / N)), by which a wrong source example's weight is multiplied."""
    return 1 / (1 + (2 * torch.tensor(float(count), dtype=torch.float64).log().item() / rounds) ** 0.5)


class Boosted(NamedTuple):
    """What boosting leaves."""

    learners: list[FeatureClassifier]
    votes: Tensor
    """(N,) log(1 / beta_t)."""
    weights: Tensor
    """(n + m,) after the last round, source first."""
    history: Tensor
    """(N + 1, n + m) before each round and after the last."""


def boost(
    source: Tensor, labels: Tensor, target: Tensor, known: Tensor, classifier: FeatureClassifier, rounds: int
) -> Boosted:
    """Algorithm 1.

    Args:
        source: (n, D) features; n = 0 leaves AdaBoost.
        labels: (n,) classes.
        target: (m, D) features.
        known: (m,) classes.
        classifier: of whose kind each round fits a new one.
        rounds: N.
    """
    count = len(labels)
    x, y = torch.cat([source, target]), torch.cat([labels, known])
    factor = source_factor(count, rounds) if count else 1.0
    w = torch.ones(len(y), dtype=torch.float64, device=x.device)
    learners, votes, history = [], [], [w]
    for _ in range(rounds):
        learner = FeatureClassifier(classifier.classes, classifier.kind, classifier.c)
        learner.fit(x, y, w / w.mean())
        wrong = (learner(x).argmax(1) != y).double()
        error = float((w * wrong)[count:].sum() / w[count:].sum())
        error = min(max(error, LEAST), 0.5 - LEAST)
        beta = error / (1 - error)
        w = torch.cat([w[:count] * factor ** wrong[:count], w[count:] * beta ** -wrong[count:]])
        learners.append(learner)
        votes.append(-torch.tensor(beta, dtype=torch.float64).log())
        history.append(w)
    return Boosted(learners, torch.stack(votes), w, torch.stack(history))


class BoostedClassifier(AdaptedClassifier):
    """Standardised features to the logarithms of the votes' shares.

    Args:
        classes: how many.
        standardise: as of ``AdaptedClassifier``.
        classifier: "logistic" or "svm", of each round.
        c: inverse weight of its penalty.
        rounds: N, 2 or more.
        svd: as of ``AdaptedClassifier``.
    """

    matrices: Tensor
    biases: Tensor
    votes: Tensor

    def __init__(
        self, classes: int, standardise: Standardise, classifier: Kind, c: float, rounds: int, svd: int | None = None
    ) -> None:
        super().__init__(classes, InstanceWeights(), standardise, classifier, c, svd)
        self.rounds = rounds
        register_estimates(self, "matrices", "biases", "votes")

    def boost(self, source: Tensor, labels: Tensor, target: Tensor, few: Tensor, known: Tensor) -> Adapted:
        """Fits to source features (Ns, D), those of the target (Nt, D) and its few labelled ones (m, D)."""
        source, target = self.prepare(source, target)
        boosted = boost(source, labels, self.standardised(few), known, self.classifier, self.rounds)
        voting = slice(self.rounds // 2, None)
        self.matrices = torch.stack([learner.weight for learner in boosted.learners[voting]])
        self.biases = torch.stack([learner.bias for learner in boosted.learners[voting]])
        self.votes = boosted.votes[voting].to(source.device)
        weights = boosted.weights[: len(source)]
        adaptation = self.adaptation
        assert isinstance(adaptation, InstanceWeights)
        adaptation.weights = weights / weights.mean()
        return Adapted(source, target, adaptation.weights)

    def forward(self, x: Tensor) -> Tensor:
        """Features (N, D) to logits (N, classes)."""
        codes = self.codes(x)
        chosen = (torch.einsum("nd,tcd->ntc", codes, self.matrices) + self.biases).argmax(2)  # (N, T)
        shares = codes.new_zeros(len(codes), self.classifier.classes)
        shares.scatter_add_(1, chosen, self.votes.expand(len(codes), -1).to(codes))
        return (shares / self.votes.sum()).clamp(min=1e-9).log().float()


class TrAdaBoost(WeightedEstimator):
    """TrAdaBoost of linear classifiers.

    Args:
        class_names: of both domains; given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        feature_names: of rows; given by the data.
        tasks: names of the pairs of domains; given by the data.
        rounds: N, how often a classifier is fitted; the last half votes.
        options: see ``WeightedOptions``; ``classifier`` is that of each round.

    Raises:
        ValueError: fewer than 2 rounds, or an option that is none; in the fit data without labelled target examples.
    """

    def __init__(
        self,
        class_names: list[str],
        channels: int | None = None,
        image_size: int | None = None,
        feature_names: list[str] | None = None,
        tasks: list[str] | None = None,
        rounds: int = 20,
        **options: Unpack[EstimatorKwargs],
    ) -> None:
        if rounds < 2:
            raise ValueError(f"model.rounds={rounds}: the last half votes, so there should be 2 or more")
        self._rounds = rounds
        super().__init__(class_names, channels, image_size, feature_names, tasks, partial(Adaptation), **options)
        self.save_hyperparameters(logger=False)

    def new_net(self, adaptation: Adaptation) -> AdaptedClassifier:
        """What is fitted for one task."""
        o = self.options
        return BoostedClassifier(len(self.class_names), o.standardise, o.classifier, o.c, self._rounds, o.svd)

    def fit_task(self, net: AdaptedClassifier, source: Tensor, labels: Tensor, target: Tensor, pair: Pair) -> Adapted:
        """Boosts on the source and the few labelled target examples of ``pair``."""
        if pair.labelled is None:
            raise ValueError("TrAdaBoost needs a few labelled target examples: set data.target_labels=2 or so")
        assert isinstance(net, BoostedClassifier)
        few = pair.labelled if isinstance(pair.labelled, InMemory) else decode(pair.labelled)
        features = self.features(few.columns[0].to(self.device))
        return net.boost(source, labels, target, features, few.columns.labels.to(self.device))
