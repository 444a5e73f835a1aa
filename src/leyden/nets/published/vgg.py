"""VGG: little but stacked 3x3 convolutions, in six configurations.

Simonyan and Zisserman 2015, "Very Deep Convolutional Networks for Large-Scale Image Recognition".

Layers and weights carry the names of torchvision's VGG, so its weights load into A, B, D and E, with batch norm or
without. ``python -m leyden.nets.published.vgg`` prints the weight layers and parameters of all six.

Departures, both torchvision's: an adaptive pooling to 7x7 before the classifier lets other image sizes in (at 224
pixels it does nothing), and the initialisation is He's instead of the paper's start from a trained A.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

TABLE_1 = """
A          A-LRN      B          C          D          E
conv3-64   conv3-64   conv3-64   conv3-64   conv3-64   conv3-64
.          LRN        conv3-64   conv3-64   conv3-64   conv3-64
maxpool    maxpool    maxpool    maxpool    maxpool    maxpool
conv3-128  conv3-128  conv3-128  conv3-128  conv3-128  conv3-128
.          .          conv3-128  conv3-128  conv3-128  conv3-128
maxpool    maxpool    maxpool    maxpool    maxpool    maxpool
conv3-256  conv3-256  conv3-256  conv3-256  conv3-256  conv3-256
conv3-256  conv3-256  conv3-256  conv3-256  conv3-256  conv3-256
.          .          .          conv1-256  conv3-256  conv3-256
.          .          .          .          .          conv3-256
maxpool    maxpool    maxpool    maxpool    maxpool    maxpool
conv3-512  conv3-512  conv3-512  conv3-512  conv3-512  conv3-512
conv3-512  conv3-512  conv3-512  conv3-512  conv3-512  conv3-512
.          .          .          conv1-512  conv3-512  conv3-512
.          .          .          .          .          conv3-512
maxpool    maxpool    maxpool    maxpool    maxpool    maxpool
conv3-512  conv3-512  conv3-512  conv3-512  conv3-512  conv3-512
conv3-512  conv3-512  conv3-512  conv3-512  conv3-512  conv3-512
.          .          .          conv1-512  conv3-512  conv3-512
.          .          .          .          .          conv3-512
maxpool    maxpool    maxpool    maxpool    maxpool    maxpool
"""
"""The paper's table 1 above its fully connected layers. conv3-64: a 3x3 convolution to 64 channels, then ReLU."""

CONFIGURATIONS = {
    name: [cell for cell in column if cell != "."]
    for name, *column in zip(*(row.split() for row in TABLE_1.strip().splitlines()), strict=True)
}
"""Configuration to its layers, from the image on."""


class VGG(nn.Module):
    """The layers of one column of table 1, then FC-4096, FC-4096 and FC-classes.

    Args:
        layers: entries of table 1, such as "conv3-64", "LRN" and "maxpool".
        channels: of the images.
        classes: how many.
        batch_norm: behind each convolution; later than the paper.
        dropout: probability with which an output of the two layers of 4096 is dropped.
    """

    def __init__(self, layers: Sequence[str], channels: int, classes: int, batch_norm: bool, dropout: float) -> None:
        super().__init__()
        self.features = nn.Sequential()
        for layer in layers:
            if layer == "maxpool":
                self.features.append(nn.MaxPool2d(2))
            elif layer == "LRN":
                # Krizhevsky et al. 2012, sec. 3.3: k = 2, n = 5, alpha = 1e-4, beta = 0.75. Theirs is alpha times the
                # sum over n channels, torch's alpha times their mean.
                self.features.append(nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2))
            else:
                kernel, width = map(int, layer.removeprefix("conv").split("-"))
                self.features.append(nn.Conv2d(channels, width, kernel, padding=kernel // 2))
                if batch_norm:
                    self.features.append(nn.BatchNorm2d(width))
                self.features.append(nn.ReLU(inplace=True))
                channels = width
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(7), nn.Flatten())
        self.classifier = nn.Sequential(
            *(nn.Linear(channels * 7 * 7, 4096), nn.ReLU(inplace=True), nn.Dropout(dropout)),
            *(nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Dropout(dropout)),
            nn.Linear(4096, classes),
        )
        for name, parameter in self.named_parameters():
            if parameter.dim() == 4:  # a convolution's weight
                nn.init.kaiming_normal_(parameter, mode="fan_out", nonlinearity="relu")
            elif parameter.dim() == 2:  # a fully connected layer's
                nn.init.normal_(parameter, std=0.01)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    @property
    def head(self) -> nn.Module:
        """What the last stage's output goes through to become logits: the last fully connected layer."""
        return self.classifier[-1]

    def stages(self) -> dict[str, nn.Module]:
        """conv1 to conv5, each with its max-pooling, then fc6 and fc7: one after the other, all but ``head``.

        They hold the network's own layers, not copies.
        """
        ends = [i + 1 for i, layer in enumerate(self.features) if isinstance(layer, nn.MaxPool2d)]
        stages: dict[str, nn.Module] = {}
        for n, (start, end) in enumerate(pairwise([0, *ends]), start=1):
            stages[f"conv{n}"] = self.features[start:end]
        stages["fc6"] = nn.Sequential(*self.pool, *self.classifier[:3])
        stages["fc7"] = self.classifier[3:6]
        return stages

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, channels, H, W) of 32 pixels a side or more, normalised, to logits (B, classes)."""
        return self.classifier(self.pool(self.features(images)))


def vgg(config: str, channels: int = 3, classes: int = 1000, batch_norm: bool = False, dropout: float = 0.5) -> VGG:
    """The network of one configuration; D is the one known as VGG16, E as VGG19.

    Args:
        config: "A", "A-LRN", "B", "C", "D" or "E".
        channels: of the images.
        classes: how many.
        batch_norm: behind each convolution; later than the paper.
        dropout: probability with which an output of the two layers of 4096 is dropped.

    Raises:
        ValueError: no such configuration.
    """
    if config not in CONFIGURATIONS:
        raise ValueError(f"VGG has no configuration {config!r}: choose {', '.join(CONFIGURATIONS)}")
    return VGG(CONFIGURATIONS[config], channels, classes, batch_norm, dropout)


def sizes() -> dict[str, tuple[int, int]]:
    """Configuration to its weight layers and its parameters: the paper's tables 1 (top row) and 2."""
    counted = {}
    for config in CONFIGURATIONS:
        with torch.device("meta"):  # shapes without memory: six networks of half a gigabyte each
            net = vgg(config)
        layers = sum(isinstance(module, nn.Conv2d | nn.Linear) for module in net.modules())
        counted[config] = layers, sum(p.numel() for p in net.parameters())
    return counted


def main() -> None:
    """Prints ``sizes``, the parameters also in millions as the paper rounds them."""
    print("configuration  weight layers   parameters  millions")
    for config, (layers, parameters) in sizes().items():
        print(f"{config:13}  {layers:13}  {parameters:11,}  {parameters / 1e6:8.0f}")


if __name__ == "__main__":
    main()
