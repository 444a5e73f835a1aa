"""Deep CORAL: features of both domains get the same covariance.

Sun and Saenko 2016, "Deep CORAL: Correlation Alignment for Deep Domain Adaptation":

    loss = CE(source) + domain_weight * ||C_s - C_t||_F^2 / (4 d^2)                                        (eq. 1)

with C the unbiased covariances (eq. 2 and 3) of the d features of a batch of each domain. Means are not compared. With
the paper's 1 / (4 d^2) the loss is small, and ``domain_weight`` is to be chosen so that in the end both terms are of
one size (sec. 3.2): with batch norms and a few dozen features that takes a hundred and more.

Departure: on the features before the classifier, where the paper has the classifier's outputs (fc8 of AlexNet).
"""

from typing import Any

from torch import Tensor

from leyden.transfer.domain.deep.base import DomainTask


def coral(source: Tensor, target: Tensor) -> Tensor:
    """||C_s - C_t||_F^2 / (4 d^2), (): the squared distance of two covariances (eq. 1).

    Args:
        source: (Bs, d) features, Bs >= 2.
        target: (Bt, d) features, Bt >= 2.

    Raises:
        ValueError: a batch of one image has no covariance.
    """
    if min(len(source), len(target)) < 2:
        raise ValueError("Deep CORAL compares covariances, which one image has not: set data.batch_size=2 or more")
    return (covariance(source) - covariance(target)).square().sum() / (4 * source.shape[1] ** 2)


def covariance(x: Tensor) -> Tensor:
    """Unbiased covariance (d, d) of the rows of (B, d)."""
    centred = x - x.mean(0)
    return centred.T @ centred / (len(x) - 1)


class DeepCORAL(DomainTask):
    """Correlation alignment in a deep network.

    Args:
        class_names: of both domains; given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        options: the fields of ``leyden.transfer.domain.deep.options.DomainOptions``.

    Raises:
        ValueError: an unknown backbone, images that it cannot take, or a negative weight.
    """

    def __init__(self, class_names: list[str], channels: int, image_size: int, **options: Any) -> None:
        super().__init__(class_names, channels, image_size, **options)
        self.save_hyperparameters(logger=False)

    def domain_loss(self, source: Tensor, target: Tensor) -> Tensor:
        """The squared distance of both batches' covariances."""
        return coral(source, target)
