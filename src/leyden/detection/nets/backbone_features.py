"""What detectors look at: the maps of a backbone at the strides that they want."""

from collections.abc import Sequence

from torch import Tensor, nn

from leyden.nets import zoo
from leyden.nets.backbone import Backbone
from leyden.nets.small_resnet import conv, small_resnet
from leyden.nets.weights import find_weights, load_pretrained

WIDTHS, BLOCKS = [48, 128, 128, 128, 128], [1, 2, 1, 1, 0]
"""Of "small_resnet": channels and residual blocks of the stem, then of the stages at strides 8, 16, 32 and 64."""


def build_backbone(
    name: str,
    channels: int,
    image_size: int,
    widths: Sequence[int] | None = None,
    blocks: Sequence[int] | None = None,
) -> Backbone:
    """The network below a detector, with random weights.

    Args:
        name: "small_resnet" (``leyden.nets.small_resnet``) or a network of ``leyden.nets.zoo``.
        channels: of the images.
        image_size: side of the square images in pixels.
        widths: of "small_resnet": channels of the stem, then of each stage; None: ``WIDTHS``.
        blocks: of "small_resnet": residual blocks likewise; None: ``BLOCKS``.

    Raises:
        ValueError: an unknown name, or images that the network cannot take.
    """
    if name != "small_resnet":
        return zoo.backbone(name, channels, image_size)
    if image_size < 64 or image_size % 32:
        raise ValueError(
            f"small_resnet takes images of 64, 96, 128, ... pixels (multiples of 32), got {image_size}: "
            f"set data.image_size={max(64, image_size // 32 * 32)}"
        )
    return Backbone(
        "small_resnet", small_resnet(channels, widths or WIDTHS, blocks or BLOCKS), channels, image_size, channels
    )


class FeatureMaps(nn.Module):
    """uint8 images (B, C, S, S) to one map (B, width, f, f) per stride, the finest first.

    Args:
        backbone: what makes the maps; the stages behind the last one that is wanted are cut off.
        strides: wanted, in image pixels per cell, ascending; from each the deepest stage is taken. Where the network
            ends before, 3x3 convolutions of stride 2 go on.
        frozen_stages: so many of its first stages learn nothing, their norms included.
        extra_width: channels of the maps behind the network's end.

    Attributes:
        widths: channels of the maps.
        sizes: cells in a row of the maps, f.
        strides: image pixels per cell of the maps.

    Raises:
        ValueError: the backbone has no stage of a wanted stride, or fewer stages than are to be frozen.
    """

    def __init__(
        self, backbone: Backbone, strides: Sequence[int], frozen_stages: int = 0, extra_width: int = 128
    ) -> None:
        super().__init__()
        last = {shape.stride: shape for shape in backbone.shapes if shape.stride is not None}
        deepest = max(last)
        inside = [stride for stride in strides if stride <= deepest]
        if not inside or any(stride not in last for stride in inside):
            raise ValueError(
                f"model.backbone={backbone.name} has maps of strides {', '.join(map(str, last))}; "
                f"this detector looks at {', '.join(map(str, strides))}"
            )
        taken = [last[stride] for stride in inside]
        backbone.truncate(backbone.stage_names[: backbone.stage_names.index(taken[-1].name) + 1])
        if not 0 <= frozen_stages <= len(backbone.stage_names):
            stages = len(backbone.stage_names)
            raise ValueError(f"model.frozen_stages={frozen_stages}: {backbone.name} has {stages} stages here")
        self.backbone, self.frozen_stages, self.strides = backbone, frozen_stages, list(strides)
        self.names = [shape.name for shape in taken]
        self.widths = [shape.channels for shape in taken]
        self.sizes = [shape.size[0] for shape in taken if shape.size]
        self.extras = nn.ModuleList()
        for _ in strides[len(inside) :]:
            self.extras.append(conv(self.widths[-1], extra_width, 2))
            self.widths.append(extra_width)
            self.sizes.append(-(-self.sizes[-1] // 2))
        for stage in list(backbone.stages.values())[:frozen_stages]:
            stage.requires_grad_(False)

    def train(self, mode: bool = True) -> "FeatureMaps":
        """As usual, but frozen stages keep their statistics."""
        super().train(mode)
        for stage in list(self.backbone.stages.values())[: self.frozen_stages]:
            stage.eval()
        return self

    def forward(self, images: Tensor) -> list[Tensor]:
        """uint8 images (B, C, S, S) to the maps."""
        found = self.backbone.maps(images)
        maps = [found[name] for name in self.names]
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        return maps

    def load(self, weights: str) -> None:
        """Takes over the backbone's weights: "imagenet", a file or an earlier run's folder (``find_weights``).

        Raises:
            FileNotFoundError: there are none.
            ValueError: they do not fit.
        """
        load_pretrained(self.backbone, find_weights(weights, self.backbone), self.backbone.stage_names)
