"""GoogLeNet as published: Inception modules with biases and without batch norm.

Szegedy et al. 2014, "Going deeper with convolutions", table 1 and fig. 3. torchvision's GoogLeNet is another network
(batch norm, 3x3 convolutions where the paper has 5x5), so its weights do not fit here.

Where the paper is silent: max-poolings round up, and local response normalisation has size 5, alpha 1e-4, beta 0.75 and
k 1, both as in Caffe's replication (bvlc_googlenet); convolutions start from He et al. 2015, which keeps the signal's
size through 22 layers.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

AUXILIARY_WEIGHT = 0.3
"""Share of each auxiliary classifier's loss in the total (sec. 5)."""

TABLE_1 = {
    # 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool proj
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Channels of the convolutions of each Inception module."""


def conv(channels_in: int, channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution and ReLU, (B, channels_in, H, W) to (B, channels, H / stride, W / stride), rounded up."""
    return nn.Sequential(nn.Conv2d(channels_in, channels, kernel, stride, padding=kernel // 2), nn.ReLU(inplace=True))


def halve() -> nn.MaxPool2d:
    """3x3 max-pooling of stride 2, rounding up: 112, 56, 28, 14, 7 pixels a side."""
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


class Inception(nn.Module):
    """One look at 1x1, 3x3 and 5x5 pixels and at their maximum, stacked along channels (fig. 2b).

    Args:
        channels_in: of the input (B, channels_in, H, W).
        one: channels of the 1x1 convolution.
        reduce3, three: of the 3x3 convolution and of the 1x1 that makes it cheap.
        reduce5, five: the same for 5x5.
        pool: of the 1x1 convolution behind the max-pooling.

    Attributes:
        channels: of the output (B, one + three + five + pool, H, W).
    """

    def __init__(
        self, channels_in: int, one: int, reduce3: int, three: int, reduce5: int, five: int, pool: int
    ) -> None:
        super().__init__()
        self.channels = one + three + five + pool
        self.branch1 = conv(channels_in, one, 1)
        self.branch3 = nn.Sequential(conv(channels_in, reduce3, 1), conv(reduce3, three, 3))
        self.branch5 = nn.Sequential(conv(channels_in, reduce5, 1), conv(reduce5, five, 5))
        self.branch_pool = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv(channels_in, pool, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, H, W) to (B, channels, H, W)."""
        return torch.cat([self.branch1(x), self.branch3(x), self.branch5(x), self.branch_pool(x)], dim=1)


class AuxiliaryClassifier(nn.Module):
    """A small classifier on an inner feature map, to bring gradient to the layers below it (sec. 5).

    Average pooling of 5x5 and stride 3, 1x1 convolution to 128 channels, FC-1024, dropout of 70 %, FC-classes. The
    pooling gives 4x4 cells from the paper's 14x14 map; a map of any other size is divided into 4x4 cells instead, so
    that images need not have 224 pixels.

    Args:
        channels: of the feature map.
        classes: how many.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.reduce = conv(channels, 128, 1)
        self.classifier = nn.Sequential(
            *(nn.Flatten(), nn.Linear(128 * 4 * 4, 1024), nn.ReLU(inplace=True)),
            *(nn.Dropout(0.7), nn.Linear(1024, classes)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Feature map (B, channels, H, W) to logits (B, classes)."""
        # Adaptive pooling would divide 14x14 into 4x4 cells as well, but by windows of 4x4 pixels: not the paper's.
        pooled = F.avg_pool2d(x, 5, stride=3) if x.shape[2:] == (14, 14) else F.adaptive_avg_pool2d(x, 4)
        return self.classifier(self.reduce(pooled))


class GoogLeNet(nn.Module):
    """Nine Inception modules in five stages on a convolutional stem; 22 layers with weights, one behind the other.

    Args:
        channels: of the images.
        classes: how many.
        auxiliary: with the two auxiliary classifiers, which only training uses.
    """

    taps: ClassVar[tuple[str, str]] = ("inception4a", "inception4d")
    """Stages whose outputs feed the auxiliary classifiers."""

    def __init__(self, channels: int, classes: int, auxiliary: bool) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *(conv(channels, 64, 7, stride=2), halve(), nn.LocalResponseNorm(5)),
            *(conv(64, 64, 1), conv(64, 192, 3), nn.LocalResponseNorm(5), halve()),
        )
        width = 192
        module = {}
        for name, branches in TABLE_1.items():
            module[name] = Inception(width, *branches)
            width = module[name].channels
        self.inception3 = nn.Sequential(module["3a"], module["3b"], halve())
        self.inception4a = nn.Sequential(module["4a"])
        self.inception4d = nn.Sequential(module["4b"], module["4c"], module["4d"])
        self.inception4e = nn.Sequential(module["4e"], halve())
        self.inception5 = nn.Sequential(module["5a"], module["5b"])
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.4), nn.Linear(width, classes))
        self.auxiliary = nn.ModuleDict()
        if auxiliary:
            for tap in self.taps:
                below = module[tap.removeprefix("inception")]
                self.auxiliary[tap] = AuxiliaryClassifier(below.channels, classes)
        for parameter in self.parameters():
            if parameter.dim() == 4:  # a convolution's weight
                nn.init.kaiming_normal_(parameter, nonlinearity="relu")
            elif parameter.dim() == 2:  # a fully connected layer's
                nn.init.normal_(parameter, std=0.01)
            else:
                nn.init.zeros_(parameter)

    def stages(self) -> dict[str, nn.Module]:
        """The stem and the Inception stages, each with the max-pooling that ends it: all but ``head``.

        They hold the network's own layers, not copies.
        """
        return {
            "stem": self.stem,
            "inception3": self.inception3,
            "inception4a": self.inception4a,
            "inception4d": self.inception4d,
            "inception4e": self.inception4e,
            "inception5": self.inception5,
        }

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Images (B, channels, H, W), normalised, to logits (B, classes).

        Returns:
            logits; in training with auxiliary classifiers (logits, those behind 4a, those behind 4d).
        """
        x, extra = images, []
        for name, stage in self.stages().items():
            x = stage(x)
            if self.training and name in self.auxiliary:
                extra.append(self.auxiliary[name](x))
        logits = self.head(x)
        return (logits, *extra) if extra else logits


def googlenet(channels: int = 3, classes: int = 1000, auxiliary: bool = True) -> GoogLeNet:
    """The published network, by default as it was trained on ImageNet.

    Args:
        channels: of the images.
        classes: how many.
        auxiliary: with the two auxiliary classifiers, which only training uses.
    """
    return GoogLeNet(channels, classes, auxiliary)


def googlenet_loss(outputs: Tensor | tuple[Tensor, ...], labels: Tensor) -> Tensor:
    """Cross-entropy, plus ``AUXILIARY_WEIGHT`` times that of each auxiliary classifier (sec. 5).

    Args:
        outputs: of ``GoogLeNet``: logits (B, classes), or in training a tuple of three such.
        labels: (B,) class numbers.

    Returns:
        () loss, averaged over the batch.
    """
    logits, *extra = (outputs,) if isinstance(outputs, Tensor) else outputs
    loss = F.cross_entropy(logits, labels)
    for auxiliary in extra:
        loss = loss + AUXILIARY_WEIGHT * F.cross_entropy(auxiliary, labels)
    return loss
