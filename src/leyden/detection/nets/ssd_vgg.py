"""The network of SSD300 and SSD512 below the heads: VGG16 turned fully convolutional, and extra stages behind it.

That of 300 pixels is Fig. 2 of Liu et al. 2016; that of 512 (section 3.1) has a stage more, with conv12_2.

VGG16 (Simonyan and Zisserman 2015, configuration D) with the changes of section 3: fc6 and fc7 become convolutions,
pool5 goes from 2x2-s2 to 3x3-s1, and fc6 is dilated ("a trous") to keep its reach; pool3 rounds up so that conv4_3 sees
38 x 38 cells. conv4_3 is brought to norm 20 by an :class:`L2Norm`. Maps: 38, 19, 10, 5, 3, 1 cells in a row; of 512
pixels 64, 32, 16, 8, 4, 2, 1. There the stages are those of the authors' code (``ssd_pascal_512.py``): conv10_2 and
conv11_2 halve the map, where torchvision's ``highres`` leaves them at stride 1.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.vgg import cfgs, make_layers

from leyden.nets.weights import IMAGENET

POOL3 = 16
"""Layer of ``features``."""
CONV4_3 = 23
"""Layers of ``features`` up to the ReLU behind conv4_3."""


class Layout(NamedTuple):
    """What one size of images asks for."""

    sizes: list[int]
    """Cells in a row of the maps."""
    strides: list[int]
    """Pixels between the centres of two cells."""
    extras: list[tuple[int, int, int, int, int]]
    """Of each stage behind fc7: channels between its two convolutions, channels behind them, and kernel, stride and
    padding of the second."""


LAYOUTS = {
    300: Layout(
        [38, 19, 10, 5, 3, 1],
        [8, 16, 32, 64, 100, 300],
        [(256, 512, 3, 2, 1), (128, 256, 3, 2, 1), (128, 256, 3, 1, 0), (128, 256, 3, 1, 0)],
    ),
    512: Layout(
        [64, 32, 16, 8, 4, 2, 1],
        [8, 16, 32, 64, 128, 256, 512],
        [(256, 512, 3, 2, 1), *[(128, 256, 3, 2, 1)] * 3, (128, 256, 4, 1, 1)],
    ),
}
"""By the side of the images in pixels."""


class L2Norm(nn.Module):
    """Each cell's features on the unit sphere, times a learned scale per channel (ParseNet, Liu et al. 2016)."""

    def __init__(self, channels: int, scale: float = 20.0) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return self.scale[:, None, None] * F.normalize(x)


class VGG16SSD(nn.Module):
    """Six feature maps of a 300-pixel RGB image, or seven of one of 512, with 512, 1024, 512, and then 256 channels.

    Images are normalised as torchvision's VGG16 expects them.

    ``features`` are torchvision's layers of VGG16 without pool5.

    Args:
        image_size: side of the square images in pixels, one of ``LAYOUTS``.

    Attributes:
        sizes, strides: see ``Layout``.
        widths: channels of the maps.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, image_size: int = 300) -> None:
        super().__init__()
        self.sizes, self.strides, extras = LAYOUTS[image_size]
        self.widths = [512, 1024, *(wide for _, wide, *_ in extras)]
        for name, values in zip(("mean", "std"), IMAGENET, strict=True):
            self.register_buffer(name, 255 * torch.tensor(values)[:, None, None], persistent=False)
        self.features = make_layers(cfgs["D"], batch_norm=False)[:-1]
        self.features[POOL3] = nn.MaxPool2d(2, ceil_mode=True)
        self.norm4 = L2Norm(512)
        self.pool5 = nn.MaxPool2d(3, stride=1, padding=1)
        self.fc6 = nn.Conv2d(512, 1024, 3, padding=6, dilation=6)
        self.fc7 = nn.Conv2d(1024, 1024, 1)
        self.extras = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, narrow, 1),
                nn.ReLU(inplace=True),
                nn.Conv2d(narrow, wide, kernel, stride, padding),
                nn.ReLU(inplace=True),
            )
            for before, (narrow, wide, kernel, stride, padding) in zip(self.widths[1:], extras, strict=False)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """uint8 images (B, 3, S, S) to the maps, the finest first."""
        x = self.features[:CONV4_3]((images.float() - self.mean) / self.std)
        maps = [self.norm4(x)]
        x = self.pool5(self.features[CONV4_3:](x))
        x = F.relu(self.fc7(F.relu(self.fc6(x))))
        maps.append(x)
        for extra in self.extras:
            x = extra(x)
            maps.append(x)
        return maps


def from_classifier(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a whole torchvision VGG16 as those of ``VGG16SSD``: fc6 and fc7 thinned out as in the paper.

    Of fc6's 4096 outputs every fourth is kept, and of its 7x7 inputs every third in a row; of fc7's 4096 outputs and
    inputs every fourth.
    """
    converted = {key: value for key, value in weights.items() if key.startswith("features.")}
    fc6 = weights.get("classifier.0.weight")
    if fc6 is not None and fc6.shape == (4096, 512 * 7 * 7):  # networks for small images have another
        converted["fc6.weight"] = fc6.view(4096, 512, 7, 7)[::4, :, ::3, ::3].clone()
        converted["fc6.bias"] = weights["classifier.0.bias"][::4].clone()
        converted["fc7.weight"] = weights["classifier.3.weight"].view(4096, 4096, 1, 1)[::4, ::4].clone()
        converted["fc7.bias"] = weights["classifier.3.bias"][::4].clone()
    return converted
