"""The feature maps of a backbone at the strides that a detector uses."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from leyden.nets import zoo
from leyden.nets.backbone import Backbone
from leyden.nets.small_resnet import conv, small_resnet
from leyden.nets.weights import find_weights, load_pretrained

WIDTHS, BLOCKS = [48, 128, 128, 128, 128], [1, 2, 1, 1, 0]
"""Of "small_resnet": channels and residual blocks of the stem, then of the stages at strides 8, 16, 32 and 64."""


@dataclass(frozen=True, kw_only=True)
class BackboneOptions:
    """The network below a detector."""

    backbone: str = "small_resnet"
    """ "small_resnet" (``leyden.nets.small_resnet``; sides divisible by 32, from 64 on) or a network of
    ``leyden.nets.zoo``; some detectors have one of their own."""
    frozen_stages: int = 0
    """So many of its first stages learn nothing."""
    widths: Sequence[int] | None = None
    """Of "small_resnet": channels of the stem, then of each stage; None: ``WIDTHS``."""
    blocks: Sequence[int] | None = None
    """Of "small_resnet": residual blocks of the stem, then of each stage; None: ``BLOCKS``."""


def build_backbone(options: BackboneOptions, channels: int, image_size: int) -> Backbone:
    """The network below a detector, with random weights.

    Args:
        options: which network.
        channels: of the images.
        image_size: side of the square images in pixels.

    Raises:
        ValueError: an unknown name, or images that the network cannot take.
    """
    if options.backbone != "small_resnet":
        return zoo.backbone(options.backbone, channels, image_size)
    if image_size < 64 or image_size % 32:
        raise ValueError(
            f"small_resnet takes images of 64, 96, 128, ... pixels (multiples of 32), got {image_size}: "
            f"set data.image_size={max(64, image_size // 32 * 32)}"
        )
    stages = small_resnet(channels, options.widths or WIDTHS, options.blocks or BLOCKS)
    return Backbone("small_resnet", stages, channels, image_size, channels)


class BackboneFeatures(nn.Module):
    """uint8 images (B, C, S, S) to one map (B, width, f, f) per stride, the finest first.

    Args:
        backbone: computes the maps; stages behind the last one that is used are cut off.
        strides: of the maps in image pixels per cell, ascending; of each stride the deepest stage is taken. Beyond the
            network's last stride, 3x3 convolutions of stride 2 add maps.
        frozen_stages: so many of its first stages learn nothing; their norms keep their statistics, too.
        extra_width: channels of those added maps.

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

    def train(self, mode: bool = True) -> "BackboneFeatures":
        """Sets the mode of all but the frozen stages, which stay in evaluation mode."""
        super().train(mode)
        for stage in list(self.backbone.stages.values())[: self.frozen_stages]:
            stage.eval()
        return self

    def forward(self, images: Tensor) -> list[Tensor]:
        """uint8 images (B, C, S, S) to the maps (B, width, f, f), the finest first.

        Raises:
            ValueError: batch norm has a single number to learn a map's mean and deviation from.
        """
        if self.training and len(images) == 1 and self.sizes[-1] == 1 and self._normalises_last():
            raise ValueError(
                "the coarsest map has one cell, and batch norm cannot learn from a single image of it: set "
                "data.batch_size=2 or more, with as many training images"
            )
        found = self.backbone.maps(images)
        maps = [found[name] for name in self.names]
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        return maps

    def _normalises_last(self) -> bool:
        last = self.extras[-1] if self.extras else self.backbone.stages[self.names[-1]]
        return any(isinstance(part, nn.BatchNorm2d) and part.training for part in last.modules())

    def load_pretrained(self, weights: str) -> dict[str, Tensor]:
        """Loads the backbone's weights, in place.

        Args:
            weights: "imagenet", a file or an earlier run's folder (``leyden.nets.weights.find_weights``).

        Returns:
            Everything that was found, in case a head can use the rest.

        Raises:
            FileNotFoundError: there are none.
            ValueError: they do not fit.
        """
        state = find_weights(weights, self.backbone)
        load_pretrained(self.backbone, state, self.backbone.stage_names)
        return state
