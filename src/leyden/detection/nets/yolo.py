"""YOLO's networks: its own of 24 convolutions and two fully connected layers, and a small head on any backbone."""

from collections.abc import Sequence

from torch import Tensor, nn

from leyden.detection.nets.backbone_features import BackboneFeatures, BackboneOptions, build_backbone
from leyden.nets.backbone import Backbone
from leyden.nets.small_resnet import conv

STAGES: dict[str, list[tuple[int, int, int]]] = {
    "stem": [(64, 7, 2)],
    "block1": [(192, 3, 1)],
    "block2": [(128, 1, 1), (256, 3, 1), (256, 1, 1), (512, 3, 1)],
    "block3": [*[(256, 1, 1), (512, 3, 1)] * 4, (512, 1, 1), (1024, 3, 1)],
    "block4": [*[(512, 1, 1), (1024, 3, 1)] * 2, (1024, 3, 1), (1024, 3, 2)],
    "block5": [(1024, 3, 1), (1024, 3, 1)],
}
"""The paper's Figure 3: channels, kernel and stride of each convolution; behind the first four a 2x2 max-pooling."""
POOLED = ("stem", "block1", "block2", "block3")
SLOPE = 0.1
"""Of the leaky ReLU below 0 (eq. 2)."""


def yolo_backbone(channels: int, image_size: int) -> Backbone:
    """The 24 convolutions of Figure 3, without norms, down to a 64th of the side; random weights.

    Raises:
        ValueError: the side is no multiple of 64.
    """
    if image_size % 64:
        raise ValueError(
            f"YOLO's own network takes sides that are multiples of 64, got {image_size}: "
            f"set data.image_size={max(1, image_size // 64) * 64}"
        )
    stages: dict[str, nn.Module] = {}
    before = channels
    for name, listed in STAGES.items():
        layers: list[nn.Module] = []
        for width, kernel, stride in listed:
            layers += [nn.Conv2d(before, width, kernel, stride, kernel // 2), nn.LeakyReLU(SLOPE, inplace=True)]
            before = width
        if name in POOLED:
            layers.append(nn.MaxPool2d(2))
        stages[name] = nn.Sequential(*layers)
    return Backbone("yolo", stages, channels, image_size, channels)


class YOLONet(nn.Module):
    """uint8 images in, the boxes and classes of S x S cells out.

    Args:
        options: of the backbone, which may also be "yolo"; the head is on its map at ``stride``.
        classes: how many.
        channels: of the images.
        image_size: side of the square images in pixels.
        boxes: per cell.
        stride: image pixels per cell; S = image_size / stride, or one less where the backbone does not pad its maps.
        hidden: units of a fully connected layer over the whole map, with dropout, as in the paper (4096); None: each
            cell predicts from the ``head``.
        head: without ``hidden``: channels of the 3x3 convolutions before the last layer.

    Attributes:
        cells: S.

    Raises:
        ValueError: the backbone cannot take such images, has no map of that stride, or the cells do not fill the image.
    """

    def __init__(
        self,
        options: BackboneOptions,
        classes: int,
        channels: int,
        image_size: int,
        boxes: int = 2,
        stride: int = 8,
        hidden: int | None = None,
        head: Sequence[int] = (128,),
    ) -> None:
        super().__init__()
        if image_size % stride:
            raise ValueError(
                f"cells of {stride} pixels do not fill images of {image_size}: set data.image_size="
                f"{max(1, image_size // stride) * stride}, or another model.stride"
            )
        self.expected = (channels, image_size, image_size)
        self.boxes, self.values = boxes, boxes * 5 + classes
        own = options.backbone == "yolo"
        network = yolo_backbone(channels, image_size) if own else build_backbone(options, channels, image_size)
        self.features = BackboneFeatures(network, (stride,), options.frozen_stages)
        self.cells, width = self.features.sizes[0], self.features.widths[0]
        layers: list[nn.Module]
        if hidden is None:
            pairs = zip([width, *head], head, strict=False)
            layers = [conv(before, after) for before, after in pairs]
            layers += [nn.Conv2d([width, *head][-1], self.values, 1), _CellsLast()]
        else:
            layers = [nn.Flatten(), nn.Linear(width * self.cells**2, hidden), nn.LeakyReLU(SLOPE), nn.Dropout(0.5)]
            layers += [nn.Linear(hidden, self.cells**2 * self.values), nn.Unflatten(1, (self.cells**2, self.values))]
        self.head = nn.Sequential(*layers)
        if own:
            _initialise(self)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, C, S', S') uint8 to boxes and classes of the cells, row by row, float32 and unbounded.

        Returns:
            (B, S * S, boxes, 5): x and y from the cell's corner, in cells; root of width and of height, or these
            themselves, as fractions of the image; confidence. And (B, S * S, classes).
        """
        if tuple(images.shape[1:]) != self.expected:
            raise ValueError(
                f"YOLO was built for images {self.expected}, got {tuple(images.shape[1:])}: "
                "resize them (leyden.data.splits.fit_image), leave data.multi_scale=null, or build it for that size "
                "(data.image_size)"
            )
        predicted = self.head(self.features(images)[0]).float()
        boxes, classes = predicted.split([self.boxes * 5, self.values - self.boxes * 5], 2)
        return boxes.unflatten(2, (self.boxes, 5)), classes


class _CellsLast(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        """(B, values, S, S) to (B, S * S, values)."""
        return x.flatten(2).transpose(1, 2)


def _initialise(net: nn.Module) -> None:
    """He initialisation: so deep a network without norms learns only if no layer shrinks its input (He et al. 2015)."""
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            assert layer.bias is not None
            nn.init.kaiming_normal_(layer.weight, SLOPE)
            nn.init.zeros_(layer.bias)
