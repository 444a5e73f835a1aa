"""SSD's networks: a backbone with several feature maps, heads on each of them, and the default boxes they speak of."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torchvision.ops import box_convert

from leyden.detection.anchors import default_boxes
from leyden.detection.ssd_vgg import VGG16SSD, from_classifier
from leyden.nets.light import LightBackbone

Backbone = Literal["light", "vgg16"]
SCALES = {"light": [0.15, 0.27, 0.42, 0.6, 0.8], "vgg16": [0.1, 0.2, 0.37, 0.54, 0.71, 0.88, 1.05]}
"""Side of the default boxes of each map, and one more, as fractions of the image; vgg16's are those for VOC."""
RATIOS = {
    "light": [[2.0], [2.0, 3.0], [2.0, 3.0], [2.0]],
    "vgg16": [[2.0], [2.0, 3.0], [2.0, 3.0], [2.0, 3.0], [2.0], [2.0]],
}
"""Aspect ratios of each map besides 1; each is used lying and upright."""
WIDTHS, BLOCKS = [48, 128, 128, 128, 128], [1, 2, 1, 1, 0]
"""The light backbone's."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, which torchvision's VGG16 expects."""


class Heads(nn.Module):
    """One 3x3 convolution per feature map for offsets and one for classes.

    Args:
        widths: channels of the maps.
        boxes: default boxes per cell of each map.
        outputs: classes with background.
    """

    def __init__(self, widths: Sequence[int], boxes: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.outputs = outputs
        pairs = list(zip(widths, boxes, strict=True))
        self.offsets = nn.ModuleList(nn.Conv2d(width, count * 4, 3, padding=1) for width, count in pairs)
        self.classes = nn.ModuleList(nn.Conv2d(width, count * outputs, 3, padding=1) for width, count in pairs)

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Feature maps (B, width, f, f) to offsets (B, P, 4) and logits (B, P, outputs), ordered like the boxes."""
        offsets = [_by_box(head(x), 4) for head, x in zip(self.offsets, maps, strict=True)]
        logits = [_by_box(head(x), self.outputs) for head, x in zip(self.classes, maps, strict=True)]
        return torch.cat(offsets, 1).float(), torch.cat(logits, 1).float()


def _by_box(x: Tensor, values: int) -> Tensor:
    """(B, boxes * values, f, f) to (B, f * f * boxes, values)."""
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, values)


class SSDNet(nn.Module):
    """uint8 images in, offsets and class logits of all default boxes out.

    Args:
        backbone: "light" or "vgg16".
        outputs: classes with background.
        channels: of the images.
        image_size: side of the square images in pixels.
        widths: light: channels of the stem, then of the feature maps; null: ``WIDTHS``.
        blocks: light: residual blocks of the stem, then of each feature map; null: ``BLOCKS``.
        scales: of the default boxes; null: ``SCALES``.
        ratios: of the default boxes; null: ``RATIOS``.

    Attributes:
        priors: (P, 4) default boxes, centre and size as fractions of the image.
        corners: (P, 4) the same as xyxy.
        maps: cells in a row, and default boxes per cell, of each feature map.

    Raises:
        ValueError: the backbone cannot take such images, or the lists do not fit each other.
    """

    priors: Tensor
    corners: Tensor
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: Backbone,
        outputs: int,
        channels: int,
        image_size: int,
        widths: list[int] | None = None,
        blocks: list[int] | None = None,
        scales: list[float] | None = None,
        ratios: list[list[float]] | None = None,
    ) -> None:
        super().__init__()
        _check(backbone, channels, image_size)
        self.expected = (channels, image_size, image_size)
        scales, ratios = scales or SCALES[backbone], ratios or RATIOS[backbone]
        self.backbone: VGG16SSD | LightBackbone
        if backbone == "vgg16":
            self.backbone = VGG16SSD()
            map_sizes, strides = [38, 19, 10, 5, 3, 1], list(VGG16SSD.strides)
        else:
            self.backbone = LightBackbone(channels, widths or WIDTHS, blocks or BLOCKS)
            map_sizes, strides = [-(-image_size // (8 << k)) for k in range(len(self.backbone.widths))], None
        priors = default_boxes(image_size, map_sizes, scales, ratios, strides)
        per_cell = [2 + 2 * len(listed) for listed in ratios]
        self.maps = list(zip(map_sizes, per_cell, strict=True))
        self.heads = Heads(self.backbone.widths, per_cell, outputs)
        self.register_buffer("priors", priors, persistent=False)
        self.register_buffer("corners", box_convert(priors, "cxcywh", "xyxy"), persistent=False)
        for name, values in (("mean", MEAN), ("std", STD)):
            statistic = torch.tensor(values if channels == 3 else values[:1])[:, None, None]
            self.register_buffer(name, statistic * 255, persistent=False)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                # Xavier for layers that are followed by no norm, as in the paper; the others are made for ReLU.
                init = nn.init.xavier_uniform_ if layer.bias is not None else nn.init.kaiming_normal_
                init(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, C, S, S) uint8 to offsets (B, P, 4) and logits (B, P, outputs), both float32."""
        if tuple(images.shape[1:]) != self.expected:
            raise ValueError(
                f"SSD was built for images {self.expected}, got {tuple(images.shape[1:])}: "
                "resize them (leyden.data.examples.fit_image), leave data.multi_scale=null, or build it for that size "
                "(data.image_size)"
            )
        offsets, logits = self.heads(self.backbone((images.float() - self.mean) / self.std))
        return offsets, logits

    def load(self, path: str) -> None:
        """Takes weights over from a file (read with ``weights_only=True``).

        Args:
            path: for vgg16 torchvision's VGG16 (with or without its classifier; the layers behind fc7 stay random), for
                light a state dict of the backbone; for both a checkpoint of ``detection/ssd``, of which the backbone is
                taken.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: keys or shapes do not fit; the message lists them.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"model.weights: no file {path!r}; give one with backbone weights, or null")
        stored = torch.load(path, map_location="cpu", weights_only=True)
        state = stored.get("state_dict", stored)
        prefix = "net.backbone."
        inner = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        own = self.backbone.state_dict()
        wanted = set(own)
        if inner:
            state = inner
        elif isinstance(self.backbone, VGG16SSD):
            state = from_classifier(state)
            wanted = {key for key in own if key.startswith("features.")}
        wrong = [f"unknown {key}" for key in sorted(set(state) - set(own))]
        wrong += [f"missing {key}" for key in sorted(wanted - set(state))]
        wrong += [
            f"{key} is {tuple(state[key].shape)}, wanted {tuple(own[key].shape)}"
            for key in state
            if key in own and state[key].shape != own[key].shape
        ]
        if wrong or not state:
            listed = "; ".join(wrong[:8]) + (f"; and {len(wrong) - 8} more" if len(wrong) > 8 else "")
            raise ValueError(f"model.weights: {path} does not fit this backbone: {listed or 'it holds nothing of it'}")
        self.backbone.load_state_dict(own | state)


def _check(backbone: Backbone, channels: int, image_size: int) -> None:
    if backbone not in SCALES:
        raise ValueError(f"model.backbone={backbone!r}: choose light or vgg16")
    if backbone == "vgg16" and (channels, image_size) != (3, 300):
        raise ValueError(
            f"SSD on VGG16 takes RGB images of 300 pixels, got {channels} channels and {image_size} pixels: "
            "set data.image_size=300, or model.backbone=light"
        )
    if backbone == "light" and (image_size < 64 or image_size % 32):
        lower = max(64, image_size // 32 * 32)
        raise ValueError(
            f"the light backbone takes images of 64, 96, 128, ... pixels (multiples of 32), got {image_size}: "
            f"set data.image_size={lower}"
        )
