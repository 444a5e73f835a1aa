"""Self-training: the classifier's own surest predictions of the target become labels, round by round.

Yarowsky 1995, "Unsupervised Word Sense Disambiguation Rivaling Supervised Methods"; class by class as Zou et al. 2018,
"Unsupervised Domain Adaptation for Semantic Segmentation via Class-Balanced Self-Training":

    fit to the source;
    for r = 1 ... R:
        p = probabilities of the target's examples
        of each predicted class keep the surest, up to r * portion * Nt * (the class's part of the source),
            of those with a probability of ``confidence`` or more
        fit to the source and to these, under their predicted labels.

Every round chooses anew, so that a label may be withdrawn. The quota by class is what keeps one class from swallowing
the others; it takes for granted that the target's classes are as frequent as the source's.
"""

import logging
from functools import partial
from typing import Unpack

import torch
from torch import Tensor

from leyden.data.batches.domain_pair import Pair
from leyden.transfer.domain.adaptation import Adaptation, Adapted, AdaptedClassifier
from leyden.transfer.domain.estimator import DomainEstimator
from leyden.transfer.domain.options import EstimatorKwargs
from leyden.transfer.domain.text.options import TextOptions

log = logging.getLogger(__name__)


def surest(probabilities: Tensor, portions: Tensor, confidence: float) -> tuple[Tensor, Tensor]:
    """Which examples get which pseudo-label.

    Args:
        probabilities: (N, C) predictions.
        portions: (C,) most examples of each predicted class, as parts of N.
        confidence: least probability.

    Returns:
        (n,) places in ascending order and their (n,) predicted classes.
    """
    sure, predicted = probabilities.max(1)
    chosen = []
    for label, portion in enumerate(portions.tolist()):
        own = ((predicted == label) & (sure >= confidence)).nonzero().flatten()
        order = sure[own].argsort(descending=True, stable=True)
        chosen.append(own[order][: round(portion * len(probabilities))])
    places = torch.cat(chosen).sort().values
    return places, predicted[places]


class SelfTraining(DomainEstimator):
    """Self-training with quotas by class.

    Args:
        class_names: of both domains; given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        feature_names: of rows; given by the data.
        tasks: names of the pairs of domains; given by the data.
        rounds: R, how often labels are predicted; 0: the source alone, the floor.
        portion: of the target's examples, that each round adds, 0 to 1.
        confidence: least probability of a pseudo-label, 0 to 1.
        options: see ``TextOptions``; the classifier is logistic, whose probabilities are meant.

    Raises:
        ValueError: a number out of its range, another classifier, or an option that is none.
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
        rounds: int = 4,
        portion: float = 0.2,
        confidence: float = 0.5,
        **options: Unpack[EstimatorKwargs],
    ) -> None:
        if rounds < 0 or not 0 < portion <= 1 or not 0 <= confidence <= 1:
            raise ValueError(
                f"model.rounds={rounds} counts from 0, portion={portion} is above 0 and up to 1, "
                f"confidence={confidence} from 0 to 1"
            )
        self._rounds, self._portion, self._confidence = rounds, portion, confidence
        super().__init__(class_names, channels, image_size, feature_names, tasks, partial(Adaptation), **options)
        if self.options.classifier != "logistic":
            raise ValueError(
                f"model.classifier={self.options.classifier}: only logistic has probabilities to be sure of"
            )
        self.save_hyperparameters(logger=False)

    def fit_task(self, net: AdaptedClassifier, source: Tensor, labels: Tensor, target: Tensor, pair: Pair) -> Adapted:
        """Fits to the source, then to it and its own predictions of the target."""
        adapted = net.fit(source, labels, target)
        shares = labels.bincount(minlength=len(self.class_names)).double() / len(labels)
        for number in range(1, self._rounds + 1):
            probabilities = net.classifier(adapted.target).softmax(1)
            places, pseudo = surest(probabilities, number * self._portion * shares, self._confidence)
            codes = torch.cat([adapted.source, adapted.target[places]])
            net.classifier.fit(codes, torch.cat([labels, pseudo]))
            log.info("round %d: %d of %d target examples have a pseudo-label", number, len(places), len(target))
        return adapted
