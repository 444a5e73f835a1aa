"""What every technique without gradient descent takes beside its own options."""

from dataclasses import dataclass
from typing import Any, TypedDict

from leyden.transfer.domain.adaptation import Standardise
from leyden.transfer.domain.classifiers import Kind


class EstimatorKwargs(TypedDict, total=False):
    """The fields of ``EstimatorOptions``, for signatures."""

    backbone: str
    weights: str
    cache: str | None
    standardise: Standardise
    classifier: Kind
    c: float
    max_examples: int | None
    points: int
    svd: int | None
    tfidf: dict[str, Any] | None


@dataclass(frozen=True)
class EstimatorOptions:
    """Features, standardisation, classifier, and how much is fitted and drawn."""

    backbone: str = "none"
    """ "none": pixels, or rows as they are; else the network of the zoo whose frozen features are adapted."""
    weights: str = "none"
    """Of the backbone: "imagenet", a name of torchvision's, a file, a record's folder; "none": random."""
    cache: str | None = "memory"
    """Each image goes through the backbone once in a run ("memory") or once in all runs (a folder); None: each time."""
    standardise: Standardise = "joint"
    """Mean 0 and deviation 1 over both domains ("joint"), over each ("domain"), or "none"."""
    classifier: Kind = "nearest"
    """ "nearest" neighbour, "logistic" regression or a linear "svm", on what is adapted."""
    c: float = 1.0
    """Inverse weight of the penalty of "logistic" and "svm"."""
    max_examples: int | None = 800
    """So many training examples of each domain, drawn by the data's seed, are fitted; None: all."""
    points: int = 200
    """So many test examples of each domain are drawn as points before and after; 0: none."""
    svd: int | None = None
    """So many singular directions of both domains' features together are kept before all else (latent semantic analysis
    of texts); None: the features as they are."""
    tfidf: dict[str, Any] | None = None
    """How texts become rows, a ``leyden.data.specs.TfidfSpec``; given by data of texts."""
