"""The two learners behind R-CNN's network: an SVM and a box regression per class (Girshick et al. 2014, section
2.3)."""

import torch
from torch import Tensor, nn
from torchvision.ops import box_convert

from leyden.detection.boxes.box_coder import decode
from leyden.detection.svm_stage.box_regression import train_regression
from leyden.detection.svm_stage.examples import NO_VARIANCES, Examples
from leyden.detection.svm_stage.svm import train_svms

NORM = 20.0
"""Mean norm of the features that SVMs and regression learn from."""
TINY = 1e-6
"""Least norm that features are scaled by."""


class SVMHead(nn.Module):
    """Scores and moves regions by linear functions of their features, fitted in closed form or by liblinear.

    Everything that is fitted lies in buffers, so checkpoints hold it.

    Args:
        classes: C.
        features: F, for the SVMs.
        pooled: P, for the regression.

    Attributes:
        fitted: () bool: the other buffers belong to the network as it is now.
    """

    fitted: Tensor
    weight: Tensor
    bias: Tensor
    box_weight: Tensor
    box_bias: Tensor

    def __init__(self, classes: int, features: int, pooled: int) -> None:
        super().__init__()
        self.classes = classes
        self.register_buffer("fitted", torch.tensor(False))
        self.register_buffer("weight", torch.zeros(classes, features))
        self.register_buffer("bias", torch.zeros(classes))
        self.register_buffer("box_weight", torch.zeros(classes, pooled, 4))
        self.register_buffer("box_bias", torch.zeros(classes, 4))

    def scores(self, features: Tensor) -> Tensor:
        """Features (N, F) to scores (N, C): 1 / (1 + exp(-2 s)) of the SVMs' margins s."""
        return (2 * (features @ self.weight.T + self.bias)).sigmoid()

    def moved(self, boxes: Tensor, pooled: Tensor) -> Tensor:
        """Boxes (N, C, 4) xyxy with pooled features (N, P) to boxes (N, C, 4) as each class moves them."""
        offsets = torch.einsum("np,cpk->nck", pooled, self.box_weight) + self.box_bias
        return decode(offsets, box_convert(boxes, "xyxy", "cxcywh"), NO_VARIANCES)

    def fit_svms(self, examples: Examples, hard_negatives: bool, cost: float) -> None:
        """Fits an SVM per class.

        Args:
            examples: of the training images.
            hard_negatives: whether hard negatives are mined.
            cost: C of the SVMs, for features of mean norm 20.
        """
        scale = NORM / max(examples.feature_norm, TINY)
        regions = examples.regions
        svms = train_svms(
            regions.features.float() * scale, examples.counts, regions.labels, regions.negative, hard_negatives, cost
        )
        self.weight.copy_(svms.weight * scale)
        self.bias.copy_(svms.bias)

    def fit_regression(self, examples: Examples, penalty: float) -> None:
        """Fits a box regression per class.

        Args:
            examples: of the training images.
            penalty: of the coefficients, for features of mean norm 20.
        """
        scale = NORM / max(examples.pooled_norm, TINY)
        regions = examples.regions
        for c in range(self.classes):
            own = regions.near_labels == c
            regression = train_regression(regions.near[own].float() * scale, regions.offsets[own], penalty)
            self.box_weight[c].copy_(regression.weight * scale)
            self.box_bias[c].copy_(regression.bias)
