"""What region-based detectors cut their regions from: one map of a backbone, or a pyramid of maps of one width."""

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork

from leyden.detection.nets.backbone_features import FeatureMaps, build_backbone
from leyden.nets.backbone import Backbone, shapes_of


class RegionMaps(nn.Module):
    """uint8 images (B, C, S, S) to one map (B, width, f, f) per stride, the finest first.

    Args:
        backbone: see ``leyden.detection.nets.backbone_features.build_backbone``. Of a VGG the last max-pooling is left
            out, so that conv5_3 has stride 16 (Girshick 2015, section 2.2).
        channels: of the images.
        image_size: side of the square images in pixels.
        strides: of the maps, ascending; one where there is no pyramid.
        pyramid: coarse maps are added to the finer ones, from the top down (Lin et al. 2017, "Feature Pyramid Networks
            for Object Detection", section 3).
        width: channels of the pyramid's maps.
        frozen_stages: so many of the backbone's first stages learn nothing.
        widths: of "small_resnet": channels of the stem, then of each stage.
        blocks: of "small_resnet": residual blocks likewise.

    Attributes:
        strides: of the maps.
        sizes: cells in a row of each map.
        width: channels of the maps.

    Raises:
        ValueError: several strides without a pyramid, or what the backbone cannot do.
    """

    def __init__(
        self,
        backbone: str,
        channels: int,
        image_size: int,
        strides: Sequence[int],
        pyramid: bool = False,
        width: int = 128,
        frozen_stages: int = 0,
        widths: Sequence[int] | None = None,
        blocks: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if not strides or (len(strides) > 1 and not pyramid):
            raise ValueError(
                f"one map has one stride, got model.strides={list(strides)}: give one, or set model.pyramid=true"
            )
        below = build_backbone(backbone, channels, image_size, widths, blocks)
        if backbone.startswith("vgg"):
            _without_last_pool(below, image_size)
        self.maps = FeatureMaps(below, strides, frozen_stages)
        self.pyramid = FeaturePyramidNetwork(self.maps.widths, width) if pyramid else None
        self.strides, self.sizes = list(strides), self.maps.sizes
        self.width = width if pyramid else self.maps.widths[0]
        self.expected = (channels, image_size, image_size)

    def forward(self, images: Tensor) -> list[Tensor]:
        """uint8 images (B, C, S, S) to the maps, float32.

        Raises:
            ValueError: images of another size.
        """
        if tuple(images.shape[1:]) != self.expected:
            raise ValueError(
                f"this detector was built for images {self.expected}, got {tuple(images.shape[1:])}: resize them "
                "(leyden.data.splits.fit_image), leave data.multi_scale=null, or build it for that size "
                "(data.image_size)"
            )
        maps = self.maps(images)
        if self.pyramid is not None:
            maps = list(self.pyramid(OrderedDict((str(i), x) for i, x in enumerate(maps))).values())
        return maps


def _without_last_pool(backbone: Backbone, image_size: int) -> None:
    """Leaves out the max-pooling behind a VGG's last convolution, which has no weights, and all that comes after."""
    backbone.truncate([name for name in backbone.stage_names if name.startswith("conv")])
    last = backbone.stage_names[-1]
    stage = backbone.stages[last]
    assert isinstance(stage, nn.Sequential)
    backbone.stages[last] = stage[:-1]
    backbone.shapes = shapes_of(backbone.stages, backbone.in_channels, image_size)
