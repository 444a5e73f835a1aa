"""BYOL (Grill et al. 2020, "Bootstrap Your Own Latent"): a network predicts what a slower copy of it sees elsewhere.

Online network theta (backbone f, projection g, predictor q), target network xi (f' and g', no predictor):

    loss = 2 - 2 <q(z), z'> / (|q(z)| |z'|),  z = g(f(v)), z' = g'(f'(v'))                        (eq. 2)
           plus the same with both views exchanged,
    xi <- tau xi + (1 - tau) theta after each step,  tau = 1 - (1 - tau_0) (cos(pi k / K) + 1) / 2  (eq. 1, sec. 3.3).

No gradient reaches the target. There are no negatives, so one embedding for everything has a loss of 0: a low
``val/loss`` says nothing, and the best checkpoint is that whose embeddings fill the most directions, ``val/rank``
(Garrido et al. 2023).

Departures from the paper: AdamW, not LARS; both views come from one distribution (the paper blurs and solarises them
differently); tau_0 is 0.99, as a run has hundreds of steps, not a million: with the paper's 0.996 the target would
still be near its random start.
"""

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.swa_utils import get_ema_multi_avg_fn

from leyden.transfer.self_supervised.base import SelfSupervisedTask, two_views
from leyden.transfer.self_supervised.simclr import Projection


def regression_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """2 - 2 cosine, the mean over the images (Grill et al. 2020, eq. 2).

    Args:
        prediction: (N, D) q(z).
        target: (N, D) z'.

    Returns:
        () loss, 0 where directions agree, 4 where they are opposite.
    """
    return (2 - 2 * F.cosine_similarity(prediction, target)).mean()


def target_rate(progress: float, start: float) -> float:
    """tau: from ``start`` to 1 along half a cosine, at ``progress`` 0 to 1 of the run (sec. 3.3)."""
    return 1 - (1 - start) * (math.cos(math.pi * progress) + 1) / 2


class BYOL(SelfSupervisedTask):
    """A backbone that learns to predict a slower copy of itself.

    Args:
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        tau: tau_0, the fraction of the target that stays at the first step, in [0, 1).
        hidden: units of the hidden layers of projection and predictor.
        projection: length of what is predicted.
        options: the fields of ``leyden.transfer.self_supervised.options.SelfSupervisedOptions``.

    Raises:
        ValueError: tau is outside [0, 1), an unknown backbone, images that it cannot take, or an option out of its
            range.
    """

    monitor = "val/rank"
    mode = "max"
    can_collapse = True

    def __init__(
        self,
        channels: int,
        image_size: int,
        tau: float = 0.99,
        hidden: int = 256,
        projection: int = 64,
        **options: Any,
    ) -> None:
        super().__init__(channels, image_size, **options)
        if not 0 <= tau < 1:
            raise ValueError(f"model.tau={tau}: the fraction of the target that stays, in [0, 1)")
        self.save_hyperparameters(logger=False)
        self.tau = tau
        self.projection = Projection(self.backbone.num_features, hidden, projection)
        self.predictor = Projection(projection, hidden, projection)
        self.target = deepcopy(self.online).requires_grad_(False)

    @property
    def online(self) -> nn.Sequential:
        """Backbone and projection, which the target follows."""
        return nn.Sequential(self.backbone, self.projection)

    def embeddings(self, images: Tensor) -> Tensor:
        """uint8 images (B, C, S, S) to projections (B, D) of the online network."""
        return self.projection(self.backbone(images))

    def on_fit_start(self) -> None:
        """The target starts as a copy, also of weights that the backbone was given."""
        fresh = self.options.weights != "none" and not self.inherited
        super().on_fit_start()
        if fresh:
            self.target.load_state_dict(self.online.state_dict())

    def loss(self, batch: Any) -> Tensor:
        """The loss of both views, each predicted from the other, 0 to 8."""
        first, second = two_views(batch, "BYOL")
        if self.training and len(first) < 2:
            raise ValueError(
                "a batch of one image: its batch norms have nothing to compare. Set data.batch_size to 2 or more, and "
                "give two training images or more"
            )
        predicted = self.predictor(self.embeddings(torch.cat([first, second]))).float().chunk(2)
        with torch.no_grad():
            wanted = self.target(torch.cat([second, first])).float().chunk(2)
        return sum(regression_loss(p, z) for p, z in zip(predicted, wanted, strict=True))  # type: ignore[return-value]

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Optimizer | LightningOptimizer,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        """A step of the online network, then one of the target towards it."""
        progress = min(1.0, self.global_step / self.trainer.estimated_stepping_batches)
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        self.update_target(target_rate(progress, self.tau))

    @torch.no_grad()
    def update_target(self, tau: float) -> None:
        """xi <- tau xi + (1 - tau) theta, of weights; the target's batch norms have statistics of their own."""
        get_ema_multi_avg_fn(tau)(list(self.target.parameters()), list(self.online.parameters()), None)
