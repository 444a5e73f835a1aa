"""JDA: TCA that also brings the domains' classes together, by labels which it guesses for the target and mends.

Long, Wang, Ding, Sun and Yu 2013, "Transfer Feature Learning with Joint Distribution Adaptation". TCA's matrix L = M_0
compares the means of the domains; JDA adds one for each class c, between the source's examples of c and the target's
whose pseudo-label is c:

    M_c = e_c e_c^T,  e_c = 1/ns_c on the source's of class c, -1/nt_c on the target's that are taken for c   (eq. 9)
    max_W  tr( (W^T (F^T M F + lambda I) W)^-1  W^T F^T H F W ),  M = sum_{c=0..C} M_c                       (eq. 10)

Algorithm 1: begin with M_0 alone, label the target in the projection by its nearest source neighbour, build the M_c
anew, and so on, ``rounds`` times. A class that no target example is taken for has no M_c in that round.

As in the authors' released code, whose figures the paper prints, M_0 counts C-fold, M is divided by its Frobenius norm,
and examples are scaled to length 1 before and behind the projection (``unit_length``). Without that the first round is
TCA's, and the tenth is worse than the first.

Here M = E E^T, with a column of E for each class that occurs, so F^T M F = G G^T with G = F^T E of C + 1 columns, and
||M||_F = ||E^T E||_F: no n x n matrix is made. Rows F are those of TCA's kernels, whose options are the same.
"""

from functools import partial
from typing import Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from leyden.transfer.domain.adaptation import Adapted
from leyden.transfer.domain.classifiers import nearest_labels
from leyden.transfer.domain.closed_form.eigenvectors import scatter, solve
from leyden.transfer.domain.closed_form.tca import Kernel, TransferComponents
from leyden.transfer.domain.estimator import DomainEstimator
from leyden.transfer.domain.options import EstimatorKwargs


def joint_matrix(labels: Tensor, pseudo: Tensor | None, target_count: int) -> Tensor:
    """E with M = E E^T, divided by the Frobenius norm of M.

    Args:
        labels: (Ns,) of the source.
        pseudo: (Nt,) guessed labels of the target; None: M_0 alone.
        target_count: Nt.

    Returns:
        (Ns + Nt, p) float64, a column for M_0 and one for each class that occurs in both domains.
    """
    count, classes = len(labels), labels.unique()
    e = torch.cat([torch.full((count,), 1 / count), torch.full((target_count,), -1 / target_count)]).double()
    if pseudo is None:
        columns = e[:, None]
    else:
        of_class = [(labels == c, pseudo == c) for c in classes.tolist()]
        found = [
            torch.cat([own.double() / own.sum(), -guessed.double() / guessed.sum()])
            for own, guessed in of_class
            if guessed.any()
        ]
        columns = torch.stack([e * len(classes) ** 0.5, *found], 1)
    return columns / (columns.T @ columns).norm().sqrt()


class JointComponents(TransferComponents):
    """JDA's projection.

    Args:
        kernel: as of TCA.
        components: of the projection.
        mu: lambda, weight of the projection's size.
        gamma: of "rbf"; None: 1 / number of features.
        landmarks: as of TCA.
        rounds: how often the target is labelled anew.
        unit_length: examples are scaled to length 1, before and behind the projection.

    Raises:
        ValueError: no round, or what TCA refuses.
    """

    def __init__(
        self,
        kernel: Kernel,
        components: int,
        mu: float,
        gamma: float | None,
        landmarks: int | None = None,
        rounds: int = 10,
        unit_length: bool = True,
    ) -> None:
        super().__init__(kernel, components, mu, gamma, landmarks)
        if rounds < 1:
            raise ValueError(f"model.rounds={rounds}: should be 1 or more")
        self.rounds, self.unit_length = rounds, unit_length

    def fit(self, source: Tensor, labels: Tensor, target: Tensor) -> Adapted:
        """Computes the projection from the source's labels and those that it guesses for the target."""
        adapted = super().fit(self._scaled(source), labels, self._scaled(target))
        return Adapted(self._scaled(adapted.source), self._scaled(adapted.target))

    def weights(self, rows: Tensor, labels: Tensor, source_count: int) -> Tensor:
        """Algorithm 1: the components of the last round."""
        assert self.count is not None
        pseudo: Tensor | None = None
        within = scatter(rows)  # the same in all rounds
        for _ in range(self.rounds):
            apart = rows.T @ joint_matrix(labels, pseudo, len(rows) - source_count)
            weights, _ = solve(within, apart, self.count, self.mu)
            codes = self._scaled(rows @ weights)
            pseudo = nearest_labels(codes[source_count:], codes[:source_count], labels)
        return weights

    def forward(self, x: Tensor) -> Tensor:
        """Features (N, D) to codes (N, components)."""
        return self._scaled(super().forward(self._scaled(x)))

    def _scaled(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=1) if self.unit_length else x


class JDA(DomainEstimator):
    """Joint distribution adaptation with a classifier behind it.

    Args:
        class_names: of both domains; given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        feature_names: of rows; given by the data.
        tasks: names of the pairs of domains; given by the data.
        kernel: "linear", "rbf", or "primal", as of TCA.
        components: of the projection.
        mu: lambda, weight of the projection's size.
        gamma: of the rbf kernel; null: 1 / number of features.
        landmarks: so many training examples stand for all in the rbf kernel (Nystroem); null: exact.
        rounds: how often the target is labelled anew.
        unit_length: examples are scaled to length 1, before and behind the projection.
        options: see ``EstimatorOptions``.

    Raises:
        ValueError: an unknown kernel, a width that is not above 0, no round, or an option that is none.
    """

    def __init__(
        self,
        class_names: list[str],
        channels: int | None = None,
        image_size: int | None = None,
        feature_names: list[str] | None = None,
        tasks: list[str] | None = None,
        kernel: Kernel = "linear",
        components: int = 30,
        mu: float = 1.0,
        gamma: float | None = None,
        landmarks: int | None = None,
        rounds: int = 10,
        unit_length: bool = True,
        **options: Unpack[EstimatorKwargs],
    ) -> None:
        adaptation = partial(JointComponents, kernel, components, mu, gamma, landmarks, rounds, unit_length)
        super().__init__(class_names, channels, image_size, feature_names, tasks, adaptation, **options)
        self.save_hyperparameters(logger=False)
