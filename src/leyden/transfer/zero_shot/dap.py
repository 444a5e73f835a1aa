"""DAP, direct attribute prediction: a classifier for each attribute, then the class whose attributes are most probable.

Lampert, Nickisch and Harmeling 2009 and 2014, "Attribute-Based Classification for Zero-Shot Visual Object
Categorization". With the probability p(a_m = 1 | x) of each attribute m, learnt on examples of the seen classes, and
the attributes a_m^c of a class c, in {0, 1},

    class = argmax_c  prod_m  p(a_m = a_m^c | x) / p(a_m = a_m^c),

where p(a_m) is the share of the classes of the training that have the attribute. Attributes count as independent, also
where they exclude each other.

Attributes that are not 0 or 1 are high or low: above their mean over all classes or not. An attribute that all classes
of the training share cannot be learnt and is left out. The classifiers are logistic regressions on standardised
features; the paper has support vector machines with Platt's probabilities. Their penalty is chosen on the classes that
validate, as everything is that validates.
"""

from typing import Unpack

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.core.estimator import EstimatorTask
from leyden.data.splits import STAGES, Stage
from leyden.metrics.generalised import GeneralisedAccuracy, unseen_accuracy
from leyden.transfer.zero_shot.options import ZeroShotKwargs
from leyden.transfer.zero_shot.task import ZeroShotTask

PENALTIES = [1e-3, 1e-2, 1e-1, 1.0]
"""Inverse weights of the penalty that are tried, the strongest first."""
ITERATIONS = 300
"""Of scikit-learn's L-BFGS, at most."""


def attribute_evidence(logits: Tensor, binary: Tensor, prior: Tensor) -> Tensor:
    """sum_m log p(a_m = a_m^c | x) - log p(a_m = a_m^c), the logarithm of DAP's product.

    Args:
        logits: (B, A) of p(a_m = 1 | x).
        binary: (C, A) attributes of the classes, 0 or 1.
        prior: (A,) p(a_m = 1), in (0, 1).

    Returns:
        (B, C).
    """
    present, absent = F.logsigmoid(logits) - prior.log(), F.logsigmoid(-logits) - (1 - prior).log()
    return present @ binary.T + absent @ (1 - binary).T


class AttributeClassifiers(nn.Module):
    """A logistic regression per attribute, on standardised features.

    Args:
        features: D.
        attributes: A.
    """

    mean: Tensor
    std: Tensor
    weight: Tensor
    bias: Tensor
    prior: Tensor
    learnt: Tensor

    def __init__(self, features: int, attributes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features, dtype=torch.float64))
        self.register_buffer("std", torch.ones(features, dtype=torch.float64))
        self.register_buffer("weight", torch.zeros(features, attributes, dtype=torch.float64))
        self.register_buffer("bias", torch.zeros(attributes, dtype=torch.float64))
        self.register_buffer("prior", torch.full((attributes,), 0.5, dtype=torch.float64))
        self.register_buffer("learnt", torch.zeros(attributes, dtype=torch.bool))

    def fit(self, x: Tensor, labels: Tensor, binary: Tensor, penalty: float) -> None:
        """Fits all that can be learnt.

        Args:
            x: (N, D) float64 features.
            labels: (N,) classes.
            binary: (C, A) float64 attributes of all classes, 0 or 1.
            penalty: C of scikit-learn's ``LogisticRegression``.
        """
        self.mean.copy_(x.mean(0))
        self.std.copy_(x.std(0, correction=0).clamp(min=1e-6))
        own = binary[labels.unique()]
        self.learnt.copy_(own.amin(0) < own.amax(0))
        self.prior.copy_(own.mean(0).where(self.learnt, torch.full_like(self.prior, 0.5)))
        standard, targets = ((x - self.mean) / self.std).cpu().numpy(), binary[labels].cpu().numpy()
        for place in self.learnt.nonzero().flatten().tolist():
            found = LogisticRegression(C=penalty, max_iter=ITERATIONS).fit(standard, targets[:, place])
            self.weight[:, place] = torch.from_numpy(found.coef_[0]).to(x)
            self.bias[place] = float(found.intercept_[0])

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, D) to logits (B, A); 0 for what could not be learnt."""
        return ((x.double() - self.mean) / self.std) @ self.weight + self.bias


class DAP(EstimatorTask, ZeroShotTask):
    """Direct attribute prediction behind a network's features, pixels or rows.

    Args:
        class_names: of all classes; given by the data.
        attribute_names: given by the data.
        channels: of the images; given by the data, None for rows.
        image_size: side of the square images in pixels; given by the data, None for rows.
        feature_names: of the rows; given by the data, None for images.
        c: inverse weight of the classifiers' penalty; None: chosen on the classes that validate.
        refit: fit once more to all seen classes when it is chosen.
        options: the fields of ``ZeroShotOptions``.

    Raises:
        ValueError: ``c`` is not above 0, or an option that is none.
    """

    def __init__(
        self,
        class_names: list[str],
        attribute_names: list[str],
        channels: int | None = None,
        image_size: int | None = None,
        feature_names: list[str] | None = None,
        c: float | None = None,
        refit: bool = True,
        **options: Unpack[ZeroShotKwargs],
    ) -> None:
        super().__init__(class_names, attribute_names, channels, image_size, feature_names, refit, **options)
        self.save_hyperparameters()
        if c is not None and c <= 0:
            raise ValueError(f"model.c={c}: should be above 0, or null to have it chosen")
        self.c = c
        self.classifiers, self.validated = (
            AttributeClassifiers(self.features.size, len(attribute_names)) for _ in range(2)
        )

    @property
    def binary(self) -> Tensor:
        """(C, A) float64: whether each attribute of a class is above its mean over all classes."""
        return (self.attributes > self.attributes.mean(0)).double()

    def class_scores(self, features: Tensor, stage: Stage = "test") -> Tensor:
        """The logarithm of the product above: (B, C) for features (B, D)."""
        return _evidence(self.validated if stage == "val" else self.classifiers, features, self.binary)

    def attribute_scores(self, features: Tensor) -> Tensor:
        """p(a_m = 1 | x): (B, A) for features (B, D)."""
        return self.classifiers(features).sigmoid()

    def estimate(self, data: object) -> dict[str, float]:
        """Trains or loads the features' network, chooses the penalty, and fits."""
        described = self.described()
        self.features.load(described, self.device)
        train, val = (self.features.of(described.split(stage), self.device) for stage in STAGES[:2])
        accuracies = {penalty: self._validate(penalty, train, val) for penalty in ([self.c] if self.c else PENALTIES)}
        penalty = max(accuracies, key=lambda tried: accuracies[tried])
        self._validate(penalty, train, val)
        self.classifiers.load_state_dict(self.validated.state_dict())
        if self.refit:
            x, labels = self.features.of(described.trained_and_validated(), self.device)
            self.classifiers.fit(x, labels, self.binary, penalty)
        left_out = len(self.attribute_names) - int(self.classifiers.learnt.sum())
        return {"train/c": penalty, "train/attributes_left_out": float(left_out)}

    def _validate(self, penalty: float, train: tuple[Tensor, Tensor], val: tuple[Tensor, Tensor]) -> float:
        """Mean accuracy of the classes that validate among one another, of classifiers that are kept."""
        self.validated.fit(*train, self.binary, penalty)
        found = GeneralisedAccuracy()
        found.update(self.class_scores(val[0], "val"), val[1], *self.candidates("val"))
        return unseen_accuracy(found.compute())


def _evidence(classifiers: AttributeClassifiers, features: Tensor, binary: Tensor) -> Tensor:
    """``attribute_evidence`` of the attributes that could be learnt."""
    learnt = classifiers.learnt
    return attribute_evidence(classifiers(features)[:, learnt], binary[:, learnt], classifiers.prior[learnt])
