"""Deep adaptation network: features of both domains get the same mean in the space of several kernels.

Long et al. 2015, "Learning Transferable Features with Deep Adaptation Networks":

    loss = CE(source) + domain_weight * MMD^2_k(source, target)                                            (eq. 4)
    MMD^2_k = ||E phi(x_s) - E phi(x_t)||^2,   k(x, y) = sum_u exp(-||x - y||^2 / (f_u s)),  f = 1/4, 1/2, 1, 2, 4

s is the mean squared distance among the features of a step's images, a constant to the gradient: kernels as wide as the
data are, so that the loss does not shrink with the features. Three estimates of it:

- ``unbiased``: all pairs of different images (a U-statistic, Gretton et al. 2012, eq. 3); may be negative.
- ``biased``: all pairs, also of an image with itself (a V-statistic, eq. 5); never negative.
- ``linear``: quadruples of neighbours in the batch (DAN's eq. 5, Gretton's lemma 14): as unbiased, in linear time, and
  with a larger variance.

Departures: one layer, the features before the classifier (the paper has three); all kernels weigh the same (the paper
learns their weights by a quadratic program, sec. 3.2, which its released code leaves out).
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from leyden.transfer.domain.deep.base import DomainTask

Estimate = Literal["unbiased", "biased", "linear"]
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""f: the kernels' widths as multiples of the mean squared distance."""


def mmd(source: Tensor, target: Tensor, rates: Sequence[float] | Tensor, estimate: Estimate = "unbiased") -> Tensor:
    """MMD^2 (), under the sum over rates g of the kernels exp(-g ||x - y||^2).

    Args:
        source: (Bs, F) features.
        target: (Bt, F) features.
        rates: g of each kernel.
        estimate: see the module; "linear" leaves images without a partner out.

    Raises:
        ValueError: a batch of one image where an estimate compares images of one domain.
    """
    if estimate != "biased" and min(len(source), len(target)) < 2:
        raise ValueError(
            "MMD compares the images of a domain with each other, which one image cannot be: set data.batch_size=2 or "
            "more, or model.estimate=biased"
        )
    if estimate == "linear":
        count = min(len(source), len(target)) // 2 * 2
        (s, s_next), (t, t_next) = ((x[:count:2], x[1:count:2]) for x in (source, target))
        pairs = [(s, s_next, 1), (t, t_next, 1), (s, t_next, -1), (s_next, t, -1)]
        return torch.stack([sign * kernel((a - b).square().sum(1), rates) for a, b, sign in pairs]).sum(0).mean()
    within_s, within_t, between = (
        kernel(squared_distances(a, b), rates) for a, b in ((source, source), (target, target), (source, target))
    )
    if estimate == "biased":
        return within_s.mean() + within_t.mean() - 2 * between.mean()
    means = [(k.sum() - k.trace()) / (len(k) * (len(k) - 1)) for k in (within_s, within_t)]
    return means[0] + means[1] - 2 * between.mean()


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """||x_i - y_j||^2 (N, M) of (N, F) and (M, F); ``cdist`` squared would have no gradient where it is 0."""
    squared = x.square().sum(1)[:, None] + y.square().sum(1) - 2 * x @ y.T
    return squared.clamp(min=0)


def kernel(squared: Tensor, rates: Sequence[float] | Tensor) -> Tensor:
    """The sum over rates g of exp(-g d^2), of squared distances d^2 of any shape."""
    return torch.stack([torch.exp(-rate * squared) for rate in rates]).sum(0)


def kernel_rates(source: Tensor, target: Tensor) -> Tensor:
    """1 / (f_u s) (5,), with s the mean squared distance among all images of a step; without a gradient.

    The mean over all pairs of different images is twice their variance, which takes linear time.
    """
    spread = 2 * torch.cat([source, target]).detach().var(0).sum()
    return 1 / (torch.tensor(FACTORS, dtype=spread.dtype, device=spread.device) * spread.clamp(min=1e-12))


class MMD(DomainTask):
    """Deep adaptation network (DAN): maximum mean discrepancy under several kernels (MK-MMD).

    Args:
        class_names: of both domains; given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        estimate: "unbiased", "biased" or "linear", see the module.
        options: the fields of ``leyden.transfer.domain.deep.options.DomainOptions``.

    Raises:
        ValueError: an unknown estimate or backbone, images that it cannot take, or a negative weight.
    """

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        estimate: Estimate = "unbiased",
        **options: Any,
    ) -> None:
        super().__init__(class_names, channels, image_size, **options)
        self.save_hyperparameters(logger=False)
        if estimate not in get_args(Estimate):
            raise ValueError(f"model.estimate={estimate!r}: there are {', '.join(get_args(Estimate))}")
        self.estimate = estimate

    def domain_loss(self, source: Tensor, target: Tensor) -> Tensor:
        """MMD^2 of both batches' features."""
        return mmd(source, target, kernel_rates(source, target), self.estimate)
