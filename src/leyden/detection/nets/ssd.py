"""SSD's networks: a backbone with several feature maps, heads on each of them, and their default boxes."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.ops import box_convert

from leyden.detection.boxes.anchors import default_boxes
from leyden.detection.nets.backbone_features import BackboneFeatures, BackboneOptions, build_backbone
from leyden.detection.nets.ssd_vgg import LAYOUTS, VGG16SSD, from_classifier
from leyden.nets.weight_file import read_tensors
from leyden.nets.weight_names import list_names, match_names, misfits
from leyden.nets.weights import best_checkpoint

STRIDES = (8, 16, 32, 64)
"""Of the maps, where they are not those of VGG16."""
SCALES = {
    4: [0.15, 0.27, 0.42, 0.6, 0.8],
    6: [0.1, 0.2, 0.37, 0.54, 0.71, 0.88, 1.05],
    7: [0.07, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.05],
}
"""Side of the default boxes of each of 4, 6 or 7 maps, and one more, as fractions of the image; VGG16's are for VOC."""
RATIOS = {
    4: [[2.0], [2.0, 3.0], [2.0, 3.0], [2.0]],
    6: [[2.0], [2.0, 3.0], [2.0, 3.0], [2.0, 3.0], [2.0], [2.0]],
    7: [[2.0], [2.0, 3.0], [2.0, 3.0], [2.0, 3.0], [2.0, 3.0], [2.0], [2.0]],
}
"""Aspect ratios of each map besides 1; each is used lying and upright."""


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
        options: of the backbone: "vgg16" as in the paper, 300 or 512 pixels, of which no stages can be frozen; of any
            other the maps of strides 8, 16, 32 and 64.
        outputs: classes with background.
        channels: of the images.
        image_size: side of the square images in pixels.
        scales: of the default boxes; None: ``SCALES``.
        ratios: of the default boxes; None: ``RATIOS``.

    Attributes:
        priors: (P, 4) default boxes, centre and size as fractions of the image.
        corners: (P, 4) the same as xyxy.
        maps: cells in a row, and default boxes per cell, of each feature map.

    Raises:
        ValueError: the backbone cannot take such images, or the lists do not fit each other.
    """

    priors: Tensor
    corners: Tensor

    def __init__(
        self,
        options: BackboneOptions,
        outputs: int,
        channels: int,
        image_size: int,
        scales: Sequence[float] | None = None,
        ratios: Sequence[Sequence[float]] | None = None,
    ) -> None:
        super().__init__()
        self.expected = (channels, image_size, image_size)
        self.features: VGG16SSD | BackboneFeatures
        if options.backbone == "vgg16":
            if channels != 3 or image_size not in LAYOUTS:
                raise ValueError(
                    f"SSD on VGG16 takes RGB images of 300 or 512 pixels, got {channels} channels and {image_size} "
                    "pixels: set data.image_size=300 (512 with model=detection/ssd512), or model.backbone=small_resnet"
                )
            self.features = VGG16SSD(image_size)
            map_sizes, strides = self.features.sizes, self.features.strides
        else:
            network = build_backbone(options, channels, image_size)
            self.features = BackboneFeatures(network, STRIDES, options.frozen_stages)
            map_sizes, strides = self.features.sizes, None
        scales, ratios = scales or SCALES[len(map_sizes)], ratios or RATIOS[len(map_sizes)]
        priors = default_boxes(image_size, map_sizes, scales, ratios, strides)
        per_cell = [2 + 2 * len(listed) for listed in ratios]
        self.maps = list(zip(map_sizes, per_cell, strict=True))
        self.heads = Heads(self.features.widths, per_cell, outputs)
        self.register_buffer("priors", priors, persistent=False)
        self.register_buffer("corners", box_convert(priors, "cxcywh", "xyxy"), persistent=False)
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
                "resize them (leyden.data.splits.fit_image), leave data.multi_scale=null, or build it for that size "
                "(data.image_size)"
            )
        offsets, logits = self.heads(self.features(images))
        return offsets, logits

    def load_pretrained(self, weights: str) -> None:
        """Loads the backbone's weights, in place.

        Args:
            weights: as ``BackboneFeatures.load_pretrained``; for vgg16 a file with torchvision's VGG16 (with or without
                its classifier; the layers behind fc7 stay random) or a checkpoint of this technique, also by its run's
                folder.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: keys or shapes do not fit; the message lists them.
        """
        if isinstance(self.features, BackboneFeatures):
            self.features.load_pretrained(weights)
            return
        path = Path(weights).expanduser()
        if path.is_dir():
            path = best_checkpoint(path, "model.weights")
        if not path.is_file():
            raise FileNotFoundError(f"model.weights: no file {weights!r}; give one with VGG16's weights, or null")
        tensors, own = read_tensors(path, "model.weights"), self.features.state_dict()
        inner = match_names(tensors, own)
        if "fc6.weight" in inner:  # a checkpoint of this technique
            state, wanted = {key: inner[key] for key in own if key in inner}, own
        else:
            wanted = {key: value for key, value in own.items() if key.startswith("features.")}
            state = from_classifier(match_names(tensors, wanted))
        wrong = [f"unknown {key}" for key in sorted(set(state) - set(own))] + misfits(state, wanted)
        if wrong:
            listed = "; ".join(wrong[:8]) + (f"; and {len(wrong) - 8} more" if len(wrong) > 8 else "")
            raise ValueError(
                f"model.weights: {weights} does not fit VGG16: {listed}; the file has {list_names(tensors, tensors)}"
            )
        self.features.load_state_dict(own | state)
