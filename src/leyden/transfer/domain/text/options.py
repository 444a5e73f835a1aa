"""Options of techniques for texts: those of all, with a linear classifier on TF-IDF as it is."""

from dataclasses import dataclass

from leyden.transfer.domain.adaptation import Standardise
from leyden.transfer.domain.classifiers import Kind
from leyden.transfer.domain.options import EstimatorOptions


@dataclass(frozen=True)
class TextOptions(EstimatorOptions):
    """Those of all techniques without gradient descent, as rare features want them."""

    standardise: Standardise = "none"
    """ "none": a word that is rare must not weigh as much as one that is frequent."""
    classifier: Kind = "logistic"
    """ "logistic" regression or a linear "svm"; a nearest neighbour among texts is a poor one."""
    c: float = 10.0
    """Inverse weight of its penalty: rows of length 1 need a weak one."""
    max_examples: int | None = None
    """All training examples of each domain."""
