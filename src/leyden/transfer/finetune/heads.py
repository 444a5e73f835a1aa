"""What is new on top of an inherited network: classifiers, and adapters between frozen stages."""

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
