"""ESZSL: zero-shot learning by a bilinear map from features to attributes, which is one line of algebra.

Romera-Paredes and Torr 2015, "An embarrassingly simple approach to zero-shot learning". With the features X (d x N) of
examples of the seen classes, Y (N x z) in {-1, 1}, 1 where an example is of a class, and the signatures S (a x z) of
these classes, the map that minimises

    || X^T V S - Y ||^2 + gamma || V S ||^2 + lambda || X^T V ||^2 + gamma lambda || V ||^2

is V = (X X^T + gamma I)^-1 X Y S^T (S S^T + lambda I)^-1, and an example x is of the class argmax_c x^T V s_c,
whichever classes c are asked for: a class needs a signature, no example.

Gamma and lambda are powers of ten from -3 to 3, as in the paper; chosen are those under which classes that validate are
told apart best (mean accuracy per class); of equals the largest, first gamma, then lambda. Then, with ``refit``, V is
computed once more from all seen classes, those that validated included, as papers report it.

Departures: signatures get length 1 (as the tables of Xian et al. have them), so that no class wins by having more
attributes; the paper takes them as they are.
"""

import math
from typing import Unpack

import torch
from torch import Tensor

from leyden.core.estimator import EstimatorTask
from leyden.data.splits import Stage
from leyden.metrics.generalised import GeneralisedAccuracy, unseen_accuracy
from leyden.transfer.zero_shot.options import ZeroShotKwargs
from leyden.transfer.zero_shot.task import ZeroShotTask

POWERS = [10.0**power for power in range(-3, 4)]


def bilinear_map(x: Tensor, labels: Tensor, signatures: Tensor, gamma: float, lam: float) -> Tensor:
    """V, with features and signatures in rows.

    Args:
        x: (N, d) float64 features.
        labels: (N,) int64, places in ``signatures``.
        signatures: (z, a) float64 attributes of the seen classes.
        gamma: weight of the map's size in the space of the features, above 0.
        lam: weight of its size in the space of the attributes, above 0.

    Returns:
        V (d, a).
    """
    left = solve_features(x.T @ x, correlation(x, labels, signatures), gamma)
    return solve_attributes(left, signatures, lam)


def correlation(x: Tensor, labels: Tensor, signatures: Tensor) -> Tensor:
    """X Y S^T (d, a); Y is 2 [label = class] - 1, which is never built: it has N z entries."""
    right = 2 * signatures[labels] - signatures.sum(0)  # (N, a) = Y S^T
    return x.T @ right


def solve_features(xx: Tensor, xys: Tensor, gamma: float) -> Tensor:
    """(X X^T + gamma I)^-1 X Y S^T (d, a), of X X^T (d, d) and ``correlation``."""
    return torch.cholesky_solve(xys, torch.linalg.cholesky(xx + gamma * torch.eye(len(xx)).to(xx)))


def solve_attributes(left: Tensor, signatures: Tensor, lam: float) -> Tensor:
    """left (S S^T + lambda I)^-1: V (d, a), of ``solve_features`` (d, a) and signatures (z, a)."""
    ss = signatures.T @ signatures
    return torch.linalg.solve(ss + lam * torch.eye(len(ss)).to(ss), left.T).T


class ESZSL(EstimatorTask, ZeroShotTask):
    """The closed form behind a network's features, pixels or rows.

    Args:
        class_names: of all classes; given by the data.
        attribute_names: given by the data.
        channels: of the images; given by the data, None for rows.
        image_size: side of the square images in pixels; given by the data, None for rows.
        feature_names: of the rows; given by the data, None for images.
        gamma: see above; None: chosen on the classes that validate.
        lam: lambda, likewise.
        refit: fit once more to all seen classes when both are chosen.
        options: the fields of ``ZeroShotOptions``.
    """

    map: Tensor
    validated_map: Tensor

    def __init__(
        self,
        class_names: list[str],
        attribute_names: list[str],
        channels: int | None = None,
        image_size: int | None = None,
        feature_names: list[str] | None = None,
        gamma: float | None = None,
        lam: float | None = None,
        refit: bool = True,
        **options: Unpack[ZeroShotKwargs],
    ) -> None:
        super().__init__(class_names, attribute_names, channels, image_size, feature_names, refit, **options)
        self.save_hyperparameters()
        if any(value is not None and value <= 0 for value in (gamma, lam)):
            raise ValueError(f"model.gamma={gamma}, model.lam={lam}: both above 0, or null to have them chosen")
        self.gamma, self.lam = gamma, lam
        for name in ("map", "validated_map"):
            self.register_buffer(name, torch.zeros(self.features.size, len(attribute_names), dtype=torch.float64))

    @property
    def signatures(self) -> Tensor:
        """(C, A) float64 attributes of all classes, of length 1."""
        return torch.nn.functional.normalize(self.attributes.double())

    def class_scores(self, features: Tensor, stage: Stage = "test") -> Tensor:
        """x^T V s_c: (B, C) for features (B, D)."""
        return features.double() @ (self.validated_map if stage == "val" else self.map) @ self.signatures.T

    def attribute_scores(self, features: Tensor) -> Tensor:
        """x^T V: (B, A) for features (B, D)."""
        return features.double() @ self.map

    def estimate(self, data: object) -> dict[str, float]:
        """Trains or loads the features' network, chooses gamma and lambda, and solves."""
        described = self.described()
        self.features.load(described, self.device)
        x, labels = self.features.of(described.split("train"), self.device)
        held = self.features.of(described.split("val"), self.device)
        gamma, lam, self.validated_map = self._chosen(x, labels, *held)
        self.map = self.validated_map
        if self.refit:
            x, labels = self.features.of(described.trained_and_validated(), self.device)
            self.map = bilinear_map(x, *self._numbered(labels), gamma, lam)
        return {"train/log10_gamma": math.log10(gamma), "train/log10_lam": math.log10(lam)}

    def _numbered(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Labels (N,) as places among the classes that occur, and the signatures of these."""
        classes, places = labels.unique(return_inverse=True)
        return places, self.signatures[classes]

    def _chosen(self, x: Tensor, labels: Tensor, held_x: Tensor, held: Tensor) -> tuple[float, float, Tensor]:
        """Gamma, lambda and V under which the classes that validate are told apart best."""
        places, signatures = self._numbered(labels)
        xx, xys = x.T @ x, correlation(x, places, signatures)
        best: tuple[float, float, float, Tensor] | None = None
        for gamma in POWERS if self.gamma is None else [self.gamma]:
            left = solve_features(xx, xys, gamma)
            for lam in POWERS if self.lam is None else [self.lam]:
                v = solve_attributes(left, signatures, lam)
                found = GeneralisedAccuracy()
                found.update(held_x @ v @ self.signatures.T, held, *self.candidates("val"))
                accuracy = unseen_accuracy(found.compute())
                if best is None or accuracy >= best[0]:
                    best = accuracy, gamma, lam, v
        assert best is not None
        return best[1:]
