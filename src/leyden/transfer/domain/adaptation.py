"""What techniques without gradient descent share: standardised features, a map or weights, a classifier."""

from typing import ClassVar, Literal, NamedTuple, get_args

import torch
from scipy.sparse import csr_matrix
from sklearn.utils.extmath import randomized_svd
from torch import Tensor, nn

from leyden.core.estimator import register_estimates
from leyden.core.splits import stratified
from leyden.transfer.domain.classifiers import FeatureClassifier, Kind

Standardise = Literal["joint", "domain", "none"]


class Adapted(NamedTuple):
    """What a technique makes of two domains."""

    source: Tensor
    """(Ns, D') codes of the source, on which the classifier learns."""
    target: Tensor
    """(Nt, D') codes of the target."""
    weights: Tensor | None = None
    """(Ns,) of the source's examples for the classifier; None: all alike."""


class Adaptation(nn.Module):
    """A technique: fitted to both domains and the source's labels, then a map of target features.

    This one leaves features as they are: a classifier behind it has seen the source alone, the floor of every table.
    """

    weighs: ClassVar[bool] = False
    """Whether it weights examples, so that a nearest neighbour cannot follow it."""

    def fit(self, source: Tensor, labels: Tensor, target: Tensor) -> Adapted:
        """Fits to features.

        Args:
            source: (Ns, D) float64, standardised.
            labels: (Ns,) classes of the source; the target has none here.
            target: (Nt, D).
        """
        return Adapted(source, target)

    def forward(self, x: Tensor) -> Tensor:
        """Features (N, D) of the target domain to codes (N, D')."""
        return x

    def directions(self) -> Tensor | None:
        """(D, k) what features are multiplied with, for drawing; None where it is no projection of features."""
        return None


class AdaptedClassifier(nn.Module):
    """Features to logits: standardise, adapt, classify.

    Args:
        classes: how many.
        adaptation: the technique.
        standardise: features get mean 0 and deviation 1 over both domains ("joint"), over each ("domain"), or are left
            as they are ("none"). What is new counts as of the target domain.
        classifier: see ``FeatureClassifier``, ``c`` also.
        c: inverse weight of its penalty.
        svd: so many singular directions of both domains' features together are kept first; None: all features.

    Raises:
        ValueError: another word, ``svd`` below 1, or a nearest neighbour behind a technique that weights examples.
    """

    mean: Tensor
    std: Tensor
    singular: Tensor

    def __init__(
        self,
        classes: int,
        adaptation: Adaptation,
        standardise: Standardise,
        classifier: Kind,
        c: float,
        svd: int | None = None,
    ) -> None:
        super().__init__()
        if standardise not in get_args(Standardise):
            raise ValueError(f"model.standardise={standardise!r}: there are {', '.join(get_args(Standardise))}")
        if adaptation.weighs and classifier == "nearest":
            raise ValueError("model.classifier=nearest takes no weights of examples: choose logistic or svm")
        if svd is not None and svd < 1:
            raise ValueError(f"model.svd={svd}: should be 1 direction or more, or null")
        self.adaptation, self.standardise, self.svd = adaptation, standardise, svd
        self.classifier = FeatureClassifier(classes, classifier, c)
        register_estimates(self, "mean", "std", "singular")

    def fit(self, source: Tensor, labels: Tensor, target: Tensor) -> Adapted:
        """Fits all three.

        Args:
            source: (Ns, D) float64 features.
            labels: (Ns,) their classes.
            target: (Nt, D).

        Raises:
            ValueError: features that nothing can be fitted to (``check_features``), or what the technique refuses.
        """
        source, target = self.prepare(source, target)
        adapted = self.adaptation.fit(source, labels, target)
        self.classifier.fit(adapted.source, labels, adapted.weights)
        return adapted

    def prepare(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Both domains' features, checked and standardised; what new examples need is kept."""
        check_features(source, target)
        if self.svd is not None:
            self.singular = leading_directions(torch.cat([source, target]), self.svd)
            source, target = source @ self.singular, target @ self.singular
        (mean_s, std_s), (self.mean, self.std) = self._moments(source, target)
        return (source - mean_s) / std_s, (target - self.mean) / self.std

    def _moments(self, source: Tensor, target: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Mean and deviation of the source and of the target, as ``standardise`` says."""
        if self.standardise == "domain":
            return moments(source), moments(target)
        both = torch.cat([source, target])
        same = moments(both) if self.standardise == "joint" else (both.new_zeros(1), both.new_ones(1))
        return same, same

    def codes(self, x: Tensor) -> Tensor:
        """Features (N, D) of the target domain to float64 codes (N, D')."""
        return self.adaptation(self.standardised(x))

    def standardised(self, x: Tensor) -> Tensor:
        """Features (N, D) of the target domain, in the singular directions if there are any, standardised."""
        if self.svd is not None:
            x = x @ self.singular
        return (x - self.mean) / self.std

    def forward(self, x: Tensor) -> Tensor:
        """Features (N, D) of the target domain to logits (N, classes)."""
        return self.classifier(self.codes(x))


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and population deviation (D,) of features (N, D); a deviation of 0 counts as 1."""
    deviation = x.std(0, correction=0)
    return x.mean(0), torch.where(deviation > 0, deviation, torch.ones_like(deviation))


def leading_directions(x: Tensor, count: int) -> Tensor:
    """The first ``count`` right singular vectors (D, count) of features (N, D), which are not centred.

    By scikit-learn's randomised algorithm (Halko et al. 2011), always with the same random numbers.

    Raises:
        ValueError: there are not so many.
    """
    if count > min(x.shape):
        raise ValueError(f"model.svd={count}: {x.shape[0]} examples of {x.shape[1]} features have {min(x.shape)}")
    vectors = randomized_svd(csr_matrix(x.cpu().numpy()), count, random_state=0)[2]
    return torch.from_numpy(vectors.T.copy()).to(x)


def check_features(source: Tensor, target: Tensor) -> None:
    """Refuses features (Ns, D) and (Nt, D) that no technique can be fitted to.

    Raises:
        ValueError: they differ in number, hold a value that is not finite, or are the same in all examples.
    """
    if source.shape[1] != target.shape[1]:
        raise ValueError(
            f"the source has {source.shape[1]} features, the target {target.shape[1]}: give both domains the same ones"
        )
    for name, x in (("source", source), ("target", target)):
        bad = (~x.isfinite()).nonzero()
        if len(bad):
            row, column = bad[0].tolist()
            raise ValueError(
                f"example {row} of the {name} has {float(x[row, column])} in feature {column}: fill in what is "
                "missing, or leave such examples out"
            )
        if bool((x == x[0]).all()):
            raise ValueError(
                f"all {len(x)} examples of the {name} have the same features, so there is nothing to adapt: look at "
                "data.source and model.backbone"
            )


def effective_count(weights: Tensor) -> float:
    """(sum w)^2 / sum w^2: as many examples of equal weight would vary as much (Kish 1965)."""
    return float(weights.sum().square() / weights.square().sum())


def validated(classifier: FeatureClassifier, codes: Tensor, labels: Tensor, weights: Tensor | None) -> float:
    """Accuracy on a fifth of the source, stratified, of a classifier that learnt from the rest of the codes.

    Args:
        classifier: of which a new one is fitted.
        codes: (N, D') of the source.
        labels: (N,).
        weights: (N,) or None.
    """
    train, held = stratified(labels.cpu(), (0.8, 0.2))
    if len(held) == 0 or len(labels[train].unique()) < 2:
        return float("nan")
    other = FeatureClassifier(classifier.classes, classifier.kind, classifier.c)
    other.fit(codes[train], labels[train], None if weights is None else weights[train])
    return float((other(codes[held]).argmax(1) == labels[held]).double().mean())
