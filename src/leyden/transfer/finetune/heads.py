"""What is new on top of an inherited network: classifiers, and adapters between frozen stages."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LinearHead(nn.Module):
    """Dropout and a linear classifier.

    Args:
        features: length of a feature vector.
        classes: how many.
        dropout: share of the features that a training step blanks.
    """

    def __init__(self, features: int, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(features, classes)

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, F) to logits (B, classes)."""
        return self.linear(self.dropout(features))


class HiddenHead(nn.Sequential):
    """A classifier with hidden layers: linear and ReLU for each, then dropout and a linear layer.

    Args:
        features: length of a feature vector.
        classes: how many.
        hidden: units of each hidden layer; none leaves a ``LinearHead``.
        dropout: share of what the last layer gets that a training step blanks.
    """

    def __init__(self, features: int, classes: int, hidden: Sequence[int], dropout: float = 0.0) -> None:
        widths = [features, *hidden]
        layers = [[nn.Linear(a, b), nn.ReLU()] for a, b in pairwise(widths)]
        super().__init__(*(module for layer in layers for module in layer), LinearHead(widths[-1], classes, dropout))


class CosineHead(nn.Module):
    """A linear classifier that looks at directions only.

    Args:
        features: length of a feature vector.
        classes: how many.
        scale: s; logits lie in [-s, s].
    """

    def __init__(self, features: int, classes: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, features))
        self.scale = scale

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, F) to logits (B, classes)."""
        return self.scale * F.normalize(features) @ F.normalize(self.weight).T

    @torch.no_grad()
    def imprint(self, features: Tensor, labels: Tensor) -> None:
        """Sets each class's weight to the mean direction of its features (N, F) under ``labels`` (N,)."""
        for label in range(len(self.weight)):
            self.weight[label] = F.normalize(features[labels == label]).mean(0)


class Adapter(nn.Module):
    """A bottleneck of 1x1 convolutions around which a frozen map passes unchanged: y = x + up(relu(down(x))).

    After Rebuffi et al. 2017, "Learning multiple visual domains with residual adapters", with the bottleneck of Houlsby
    et al. 2019. ``up`` starts at zero, so training starts from the inherited network itself.

    Args:
        channels: of the map (B, channels, H, W).
        reduction: by which the bottleneck is narrower; at least 4 channels are left.
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        narrow = max(4, channels // reduction)
        self.down = nn.Conv2d(channels, narrow, 1)
        self.up = nn.Conv2d(narrow, channels, 1)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to the same shape."""
        return x + self.up(self.down(x).relu())
