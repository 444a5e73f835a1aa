"""R-CNN's network: crops in, features for SVMs and regression and the logits of the fine-tuning out."""

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from leyden.detection.nets.backbone_features import BackboneFeatures, BackboneOptions, build_backbone


class CropFeatures(NamedTuple):
    """Features and logits of N crops, float32."""

    pooled: Tensor
    """(N, P) the last feature map, max-pooled to a few cells; pool5 of the paper's network, for the boxes."""
    features: Tensor
    """(N, F) the layer before the softmax; fc7, for the classes."""
    logits: Tensor
    """(N, C + 1), background first."""


class CropNet(nn.Module):
    """A backbone, two hidden layers with dropout and a softmax, as AlexNet (Krizhevsky et al. 2012) has them.

    Args:
        options: of the backbone.
        outputs: classes with background.
        channels: of the images.
        crop_size: side of the crops in pixels.
        stride: crop pixels per cell of the last feature map; the backbone's deeper stages are cut off.
        cells: in a row of the pooled map.
        hidden: width of the two layers, F.
        dropout: probability with which an input of each is dropped in training.

    Raises:
        ValueError: the backbone cannot take such crops or has no such map.
    """

    def __init__(
        self,
        options: BackboneOptions,
        outputs: int,
        channels: int,
        crop_size: int,
        stride: int,
        cells: int,
        hidden: int,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        network = build_backbone(options, channels, crop_size)
        self.features = BackboneFeatures(network, [stride], options.frozen_stages)
        self.cells, self.dropout = cells, dropout
        self.pooled = self.features.widths[0] * cells**2
        self.fc6 = nn.Linear(self.pooled, hidden)
        self.fc7 = nn.Linear(hidden, hidden)
        self.score = nn.Linear(hidden, outputs)

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 images (B, C, H, W) as floats, 0 for the mean colour; crops are cut from these."""
        return self.features.backbone.normalise(images)

    def forward(self, crops: Tensor) -> CropFeatures:
        """Crops (N, C, S, S) of normalised images; N may be 0."""
        pooled = F.adaptive_max_pool2d(self.features.backbone.run(crops), self.cells).flatten(1)
        x = F.relu(self.fc6(F.dropout(pooled, self.dropout, self.training)))
        features = F.relu(self.fc7(F.dropout(x, self.dropout, self.training)))
        logits = self.score(features)
        return CropFeatures(pooled.float(), features.float(), logits.float())
