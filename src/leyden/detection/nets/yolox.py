"""The network of an anchor-free YOLO: a backbone, a pyramid over three of its maps, and a decoupled head on each."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.detection.nets.backbone_features import BackboneFeatures, BackboneOptions, build_backbone
from leyden.nets.small_resnet import conv

STRIDES = (8, 16, 32)
"""Of the maps."""
PRIOR = 0.01
"""Every probability before training, for nearly all points are background (Lin et al. 2017, "RetinaNet")."""


class Outputs(NamedTuple):
    """Predictions at the P points of all maps."""

    offsets: Tensor
    """(B, P, 4) float32: from the point to the box's centre, logarithm of width and height; all in strides."""
    objectness: Tensor
    """(B, P) float32: logit that there is an object."""
    logits: Tensor
    """(B, P, C) float32: of its class."""
    points: Tensor
    """(P, 3) x, y and stride in pixels: the centres of the cells, row by row, the finest map first."""
    side: int
    """Of the images, pixels."""


class Pyramid(nn.Module):
    """Brings maps to one width and adds the coarser maps to each (Lin et al. 2017, "FPN", Fig. 3).

    The 3x3 convolutions that FPN has after the sums are the heads' first ones.

    Args:
        before: channels of the maps.
        width: channels of the results.
    """

    def __init__(self, before: Sequence[int], width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(
            nn.Sequential(nn.Conv2d(count, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True))
            for count in before
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps, the finest first, to maps (B, width, f, f) of the same sizes."""
        summed = [layer(x) for layer, x in zip(self.lateral, maps, strict=True)]
        for i in range(len(summed) - 2, -1, -1):
            summed[i] = summed[i] + F.interpolate(summed[i + 1], size=summed[i].shape[-2:], mode="nearest")
        return summed


class Head(nn.Module):
    """The decoupled head: a branch for boxes and one for classes (Ge et al. 2021, "YOLOX", Fig. 2); one
    per map.

    Args:
        width: channels of the map.
        depth: 3x3 convolutions of each branch.
        classes: how many.
    """

    def __init__(self, width: int, depth: int, classes: int) -> None:
        super().__init__()
        self.box_branch, self.class_branch = (
            nn.Sequential(*(conv(width, width) for _ in range(depth))) for _ in range(2)
        )
        self.box, self.classes = nn.Conv2d(width, 5, 1), nn.Conv2d(width, classes, 1)
        for layer, logits in ((self.box, slice(4, None)), (self.classes, slice(None))):
            assert layer.bias is not None
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
            nn.init.constant_(layer.bias[logits], -math.log(1 / PRIOR - 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, width, f, f) to offsets with objectness (B, f * f, 5) and class logits (B, f * f, classes)."""
        return _by_cell(self.box(self.box_branch(x))), _by_cell(self.classes(self.class_branch(x)))


def _by_cell(x: Tensor) -> Tensor:
    """(B, values, f, f) to (B, f * f, values)."""
    return x.flatten(2).transpose(1, 2)


class YOLOXNet(nn.Module):
    """uint8 images in, a box, an objectness and class logits at every cell of three maps out.

    Args:
        options: of the backbone.
        classes: how many.
        channels: of the images.
        image_size: side of the square images that it is built for in pixels; it takes others.
        width: channels of pyramid and heads.
        depth: 3x3 convolutions of each branch of a head.

    Raises:
        ValueError: the backbone cannot take such images, or lacks a map of ``STRIDES``.
    """

    def __init__(
        self,
        options: BackboneOptions,
        classes: int,
        channels: int,
        image_size: int,
        width: int = 64,
        depth: int = 1,
    ) -> None:
        super().__init__()
        self.channels = channels
        network = build_backbone(options, channels, image_size)
        self.features = BackboneFeatures(network, STRIDES, options.frozen_stages)
        self.pyramid = Pyramid(self.features.widths, width)
        self.heads = nn.ModuleList(Head(width, depth, classes) for _ in STRIDES)

    def forward(self, images: Tensor) -> Outputs:
        """Images (B, C, S, S) uint8, S any multiple of 32, to predictions at all points."""
        channels, height, width = images.shape[1:]
        if (channels, height % STRIDES[-1], height) != (self.channels, 0, width):
            raise ValueError(
                f"YOLOX takes square images of {self.channels} channels with sides that are multiples of "
                f"{STRIDES[-1]}, got {(channels, height, width)}: resize them (leyden.data.splits.fit_image), or "
                "change data.image_size or data.multi_scale"
            )
        maps = self.pyramid(self.features(images))
        predicted = [head(x) for head, x in zip(self.heads, maps, strict=True)]
        boxes, logits = (torch.cat(parts, 1).float() for parts in zip(*predicted, strict=True))
        points = torch.cat([_centres(width, x.shape[-1], images.device) for x in maps])
        return Outputs(boxes[..., :4], boxes[..., 4], logits, points, width)


def _centres(side: int, cells: int, device: torch.device) -> Tensor:
    """The cells of one map: (cells * cells, 3) x, y and stride, row by row."""
    stride = side / cells
    steps = stride * (torch.arange(cells, device=device) + 0.5)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([x, y, torch.full_like(x, stride)], 2).flatten(0, 1)
