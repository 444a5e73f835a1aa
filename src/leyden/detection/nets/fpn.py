"""The feature maps that regions are pooled from: one map of a backbone, or a feature pyramid network (FPN)."""

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork

from leyden.detection.nets.backbone_features import BackboneFeatures, BackboneOptions, build_backbone
from leyden.nets.backbone import Backbone, shapes_of


class RegionFeatures(nn.Module):
    """uint8 images (B, C, S, S) to one map (B, width, f, f) per stride, the finest first.

    Args:
        options: of the backbone. Of a VGG the last max-pooling is left out, so that conv5_3 has stride 16 (Girshick
            2015, section 2.2).
        channels: of the images.
        image_size: side of the square images in pixels.
        strides: of the maps, ascending; one where there is no pyramid.
        pyramid: coarse maps are added to the finer ones, from the top down (Lin et al. 2017, "Feature Pyramid Networks
            for Object Detection", section 3).
        width: channels of the pyramid's maps.

    Attributes:
        strides: of the maps.
        sizes: cells in a row of each map.
        width: channels of the maps.

    Raises:
        ValueError: several strides without a pyramid, or what the backbone cannot do.
    """

    def __init__(
        self,
        options: BackboneOptions,
        channels: int,
        image_size: int,
        strides: Sequence[int],
        pyramid: bool = False,
        width: int = 128,
    ) -> None:
        super().__init__()
        if not strides or (len(strides) > 1 and not pyramid):
            raise ValueError(
                f"one map has one stride, got model.strides={list(strides)}: give one, or set model.pyramid=true"
            )
        network = build_backbone(options, channels, image_size)
        if options.backbone.startswith("vgg"):
            _drop_last_pool(network, image_size)
        self.features = BackboneFeatures(network, strides, options.frozen_stages)
        self.pyramid = FeaturePyramidNetwork(self.features.widths, width) if pyramid else None
        self.strides, self.sizes = list(strides), self.features.sizes
        self.width = width if pyramid else self.features.widths[0]
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
        maps = self.features(images)
        if self.pyramid is not None:
            maps = list(self.pyramid(OrderedDict((str(i), x) for i, x in enumerate(maps))).values())
        return maps


def _drop_last_pool(backbone: Backbone, image_size: int) -> None:
    """Leaves out the max-pooling behind a VGG's last convolution, which has no weights, and all that comes after."""
    backbone.truncate([name for name in backbone.stage_names if name.startswith("conv")])
    last = backbone.stage_names[-1]
    stage = backbone.stages[last]
    assert isinstance(stage, nn.Sequential)
    backbone.stages[last] = stage[:-1]
    backbone.shapes = shapes_of(backbone.stages, backbone.in_channels, image_size)
