"""CDAN: a domain classifier that sees what the network predicts beside its features.

Long et al. 2018, "Conditional Adversarial Domain Adaptation". As DANN (``dann.py``), but the domain classifier is given
the multilinear map T(f, g) of features f and predictions g = softmax(logits), so that it can tell the domains class by
class, and the features of one class of both domains become alike:

    T(f, g) = f (x) g                      (F x C)   where F * C <= 4096                                   (eq. 4)
    T(f, g) = (R_f f) * (R_g g) / sqrt(d)  (d)       else, with fixed random matrices R                    (eq. 5, 6)

``entropy_conditioning`` (CDAN+E) weighs each image in the domain loss by 1 + exp(-H(g)), so that images of which the
network is sure count more (sec. 3.3); weights are divided by their mean in each domain.

Predictions and weights are constants to the gradient, as in the authors' code. The reversed gradient grows as in DANN.
"""

from typing import Any

import torch
from torch import Tensor, nn

from leyden.transfer.domain.deep.base import DomainTask
from leyden.transfer.domain.deep.dann import (
    ReverseGradient,
    domain_cross_entropy,
    new_domain_classifier,
    reversal_strength,
)
from leyden.transfer.domain.deep.selection import entropies

MOST_FEATURES = 4096
"""Up to here the multilinear map is exact (sec. 3.2)."""


class MultilinearMap(nn.Module):
    """T(f, g): features (B, F) and probabilities (B, C) to (B, num_features).

    Args:
        features: F.
        classes: C.
        random_features: d, of the random map where F * C is too large.

    Attributes:
        num_features: F * C, or d.
    """

    random_f: Tensor
    random_g: Tensor

    def __init__(self, features: int, classes: int, random_features: int) -> None:
        super().__init__()
        self.exact = features * classes <= MOST_FEATURES
        self.num_features = features * classes if self.exact else random_features
        if not self.exact:
            self.register_buffer("random_f", torch.randn(features, random_features))
            self.register_buffer("random_g", torch.randn(classes, random_features))

    def forward(self, f: Tensor, g: Tensor) -> Tensor:
        """f (B, F) and g (B, C) to (B, num_features); exact: f_1 g_1, f_1 g_2, ..., f_2 g_1, ..."""
        if self.exact:
            return (f[:, :, None] * g[:, None, :]).flatten(1)
        return (f @ self.random_f) * (g @ self.random_g) / self.num_features**0.5


def entropy_weights(probabilities: Tensor) -> Tensor:
    """1 + exp(-H) of each row of (B, C), divided by their mean: (B,)."""
    weights = 1 + torch.exp(-entropies(probabilities))
    return weights / weights.mean()


class CDAN(DomainTask):
    """Conditional domain-adversarial network.

    Args:
        class_names: of both domains; given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        entropy_conditioning: weighs images by how sure the network is (CDAN+E).
        hidden: units of the domain classifier's hidden layer.
        random_features: length of the random map where features times classes is above 4096.
        gamma: how soon the reversed gradient grows, see ``leyden.transfer.domain.deep.dann.reversal_strength``.
        options: the fields of ``leyden.transfer.domain.deep.options.DomainOptions``.

    Raises:
        ValueError: an unknown backbone, images that it cannot take, or a negative weight.
    """

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        entropy_conditioning: bool = False,
        hidden: int = 100,
        random_features: int = 1024,
        gamma: float = 10.0,
        **options: Any,
    ) -> None:
        super().__init__(class_names, channels, image_size, **options)
        self.save_hyperparameters(logger=False)
        self.entropy_conditioning, self.gamma = entropy_conditioning, gamma
        self.joint = MultilinearMap(self.net.backbone.num_features, len(class_names), random_features)
        self.domain_classifier = new_domain_classifier(self.joint.num_features, hidden, self.options.domain_weight > 0)

    def domain_loss(self, source: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy of the domain classifier on the multilinear map; source is 1, target 0."""
        f = torch.cat([source, target])
        with torch.no_grad():
            g = self.net.head(f).softmax(1)
        weights = None
        if self.entropy_conditioning:
            weights = torch.cat([entropy_weights(part) for part in g.split([len(source), len(target)])])
        reversed_map = ReverseGradient.apply(self.joint(f, g), reversal_strength(self.progress, self.gamma))
        return domain_cross_entropy(self, self.domain_classifier(reversed_map).flatten(), len(source), weights)
