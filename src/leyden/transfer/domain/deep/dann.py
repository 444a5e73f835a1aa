"""DANN: features from which no classifier can tell the domain, by a reversed gradient.

Ganin et al. 2016, "Domain-Adversarial Training of Neural Networks" (first Ganin and Lempitsky 2015). A domain
classifier learns to tell source from target by the features; the gradient that it sends into the backbone is multiplied
by -lambda, so that the backbone learns to mislead it:

    loss = CE(class of source images) + BCE(domain of all images),   R(x) = x,  dR/dx = -lambda I,
    lambda_p = 2 / (1 + exp(-gamma p)) - 1,  gamma = 10,             p = progress of the run, 0 to 1   (sec. 5.2.2)
    lr_p = lr / (1 + 10 p)^0.75.

lambda scales the reversed gradient alone: the domain classifier learns at its full rate from the first step.
A domain loss that stays at log 2 = 0.693 means either that the domains cannot be told apart or that the domain
classifier has not learnt; ``train/domain_accuracy`` beside the target's accuracy tells which.

Departure: the backbone is a small ResNet with batch norms, where the paper has LeNet's shape for digits.
"""

import math
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.transfer.domain.deep.base import DomainTask
from leyden.visualization.logging import logs_now


class ReverseGradient(torch.autograd.Function):
    """The identity, whose gradient is multiplied by -lambda (eq. 14 and 15)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        """``x`` itself; ``strength`` is lambda."""
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """-lambda times the gradient."""
        return -ctx.strength * gradients[0], None


def reversal_strength(progress: float, gamma: float = 10.0) -> float:
    """lambda_p = 2 / (1 + exp(-gamma p)) - 1: from 0 to almost 1.

    Args:
        progress: p of the run, 0 to 1.
        gamma: how soon it grows.
    """
    return 2 / (1 + math.exp(-gamma * progress)) - 1


def domain_cross_entropy(
    task: LightningModule, logits: Tensor, from_source: int, weights: Tensor | None = None
) -> Tensor:
    """Cross-entropy of a domain classifier, and its accuracy as ``train/domain_accuracy``.

    Args:
        task: that logs.
        logits: (B,) source's images first; above 0 means source.
        from_source: how many are of the source.
        weights: (B,) of the images, mean 1; None: all 1.

    Returns:
        () loss.
    """
    is_source = torch.cat([logits.new_ones(from_source), logits.new_zeros(len(logits) - from_source)])
    if logs_now(task):
        task.log("train/domain_accuracy", ((logits > 0) == is_source.bool()).float().mean())
    return F.binary_cross_entropy_with_logits(logits, is_source, weights)


def new_domain_classifier(features: int, hidden: int, trained: bool) -> nn.Sequential:
    """Features (B, F) to logits (B, 1) through a hidden layer; frozen where nothing adapts, as DDP wants it."""
    classifier = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, 1))
    return classifier.requires_grad_(trained)


class DANN(DomainTask):
    """Domain-adversarial training.

    Args:
        class_names: of both domains; given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        hidden: units of the domain classifier's hidden layer.
        gamma: how soon the reversed gradient grows, see ``reversal_strength``.
        options: the fields of ``leyden.transfer.domain.deep.options.DomainOptions``.

    Raises:
        ValueError: an unknown backbone, images that it cannot take, or a negative weight.
    """

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        hidden: int = 100,
        gamma: float = 10.0,
        **options: Any,
    ) -> None:
        super().__init__(class_names, channels, image_size, **options)
        self.save_hyperparameters(logger=False)
        self.gamma = gamma
        self.domain_classifier = new_domain_classifier(
            self.net.backbone.num_features, hidden, self.options.domain_weight > 0
        )

    def domain_loss(self, source: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy of the domain classifier, behind the reversed gradient; source is 1, target 0."""
        features = torch.cat([source, target])
        reversed_features = ReverseGradient.apply(features, reversal_strength(self.progress, self.gamma))
        return domain_cross_entropy(self, self.domain_classifier(reversed_features).flatten(), len(source))
