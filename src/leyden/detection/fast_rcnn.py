"""Fast R-CNN: classifies given proposals on one feature map (Girshick 2015, https://arxiv.org/abs/1504.08083).

The whole image goes through the convolutions once; what lies in each proposal is pooled from their map, goes through
two fully connected layers, and becomes class probabilities p (background is class 0) and, for each class, offsets t to
the box. A step learns from 64 RoIs of each image, a quarter of them with IoU >= 0.5 to an object (objects are RoIs
too), the others with IoU in [0.1, 0.5), and minimises (eqs. 1 to 3), as a mean over all RoIs,

    L(p, u, t, v) = L_cls(p, u) + lambda [u >= 1] L_loc(t^u, v)
    L_cls = -log p_u          L_loc = sum over x, y, w, h of smooth_L1(t^u - v)

v are the offsets from the RoI to its object of class u, minus their mean over the training data, divided by their
standard deviation, class by class. Testing undoes that, and suppresses overlaps above 0.3 class by class. With
``svd`` it also puts two smaller layers in the place of each fully connected one (section 3.1).

Departures: a step sees ``data.batch_size`` images (16) instead of two, with fewer RoIs each, so that batch norm has
enough to see and two CPU cores train it in minutes; "small_resnet" is a small residual network with its map at stride 8
instead of VGG16 at 16; background has no offsets; the statistics are those of the images as they are, not mirrored; an
image without objects, which the authors' code leaves out, gives any of its proposals as background; RoI pooling reads
x2 and y2 as the last pixel inside, as the authors' boxes have them, and gets ours, which are the edge behind it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

import torch
from torch import Tensor
from torchvision.ops import box_convert

from leyden.core.technique import NO_OPTIONS, Predictions, PredictOptions
from leyden.data.columns import Scenes, Target
from leyden.data.splits import Split
from leyden.detection.boxes.batch import Detections
from leyden.detection.boxes.box_coder import encode
from leyden.detection.boxes.roi_sampling import label_rois, sample_rois
from leyden.detection.data import training_split
from leyden.detection.detector import Detector
from leyden.detection.nets.fpn import RegionFeatures
from leyden.detection.nets.roi_head import RoIHead, RoIOutputs
from leyden.detection.options import DetectorKwargs, DetectorOptions
from leyden.detection.proposals.selective_search import Search, proposals_of
from leyden.nets.memory_format import arrange


def given_proposals(targets: Sequence[Target]) -> list[Tensor]:
    """The proposals (n, 4) that the data gives with each image.

    Raises:
        ValueError: it gives none.
    """
    if any("proposals" not in target for target in targets):
        raise ValueError("Fast R-CNN learns from proposals, the data has none: set data.proposals=selective_search")
    return [target["proposals"] for target in targets]


def offset_statistics(split: Split, classes: int, foreground: float) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the offsets from RoIs to their objects, class by class.

    Args:
        split: images whose targets have "proposals".
        classes: how many.
        foreground: a RoI with at least this IoU shows an object; objects are RoIs too.

    Returns:
        (classes, 4) each, deviations at least 0.01; 0 and (0.1, 0.1, 0.2, 0.2) for a class with fewer than two RoIs.

    Raises:
        ValueError: there are no proposals.
    """
    count, total, squares = torch.zeros(classes, 1), torch.zeros(classes, 4), torch.zeros(classes, 4)
    for i in range(len(split)):
        target = {key: value.cpu() for key, value in split[i].targets.items()}
        rois = torch.cat([target["boxes"], *given_proposals([target])])
        labels, objects = label_rois(rois, target, foreground, (0.0, foreground))
        positive = labels > 0
        offsets = encode(objects[positive], box_convert(rois[positive], "xyxy", "cxcywh"), (1.0, 1.0))
        count.index_add_(0, labels[positive] - 1, torch.ones(len(offsets), 1))
        total.index_add_(0, labels[positive] - 1, offsets)
        squares.index_add_(0, labels[positive] - 1, offsets**2)
    enough = count > 1
    mean = total / count.clamp(min=1)
    std = (squares / count.clamp(min=1) - mean**2).clamp(min=0).sqrt().clamp(min=0.01)
    return mean.where(enough, 0), std.where(enough, torch.tensor([0.1, 0.1, 0.2, 0.2]))


@dataclass(frozen=True, kw_only=True)
class FastRCNNOptions(DetectorOptions):
    """The shared options with the values of this technique."""

    widths: Sequence[int] | None = (48, 128)
    blocks: Sequence[int] | None = (1, 2)
    nms_iou: float = 0.3


class FastRCNN(Detector):
    """Fast R-CNN on a small backbone, on VGG16 as in the paper, or on another one.

    Args:
        class_names: given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        stride: of the map, image pixels per cell.
        roi_size: cells in a row of a pooled RoI.
        fc: outputs of the two fully connected layers.
        dropout: probability with which one of those is dropped in training.
        rois: RoIs per image that a step learns from.
        positive_fraction: at most this part of them show objects.
        foreground_iou: a RoI with at least this IoU shows an object.
        background_iou: one whose greatest IoU lies in [low, high) is background.
        box_weight: lambda, of the box loss.
        svd: ranks of fc6 and fc7 in tests and predictions; null: the layers as they are.
        search: settings of selective search for images that come without proposals; None: R-CNN's.
        options: see ``FastRCNNOptions``.

    Raises:
        ValueError: the backbone cannot take such images.
    """

    options_type = FastRCNNOptions

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        stride: int = 8,
        roi_size: int = 5,
        fc: Sequence[int] = (256, 256),
        dropout: float = 0.0,
        rois: int = 32,
        positive_fraction: float = 0.25,
        foreground_iou: float = 0.5,
        background_iou: Sequence[float] = (0.1, 0.5),
        box_weight: float = 1.0,
        svd: list[int] | None = None,
        search: Search | None = None,
        **options: Unpack[DetectorKwargs],
    ) -> None:
        super().__init__(class_names, channels, image_size, **options)
        self.save_hyperparameters(logger=False)
        self.rois, self.positive_fraction, self.box_weight = rois, positive_fraction, box_weight
        self.foreground_iou, self.background_iou = foreground_iou, tuple(background_iou)
        self.svd, self.search = svd, search or Search()
        self.features = RegionFeatures(self.options, channels, image_size, [stride])
        self.head = RoIHead(self.features.width, [stride], len(class_names), roi_size, fc, dropout)
        arrange(self, self.options.memory_format)

    def load_pretrained(self, weights: str) -> None:
        """Loads the backbone's weights, and fc6 and fc7 from a whole VGG."""
        self.head.load_pretrained(self.features.features.load_pretrained(weights))

    def on_train_start(self) -> None:
        """Measures the offsets of the training data before the first training.

        Raises:
            ValueError: the training batches do not come from a ``leyden.data.loader.Loader``.
        """
        if self.trainer.ckpt_path is not None:
            return
        split, _ = training_split(self.trainer)
        mean, std = offset_statistics(split, len(self.class_names), self.foreground_iou)
        self.head.mean.copy_(mean)
        self.head.std.copy_(std)

    def inputs(self, images: Tensor, targets: list[Target]) -> tuple[Tensor, list[Tensor]]:
        """The images, and each one's proposals: the data's, or what selective search finds now."""
        return images, proposals_of(images, targets, self.search)

    def outputs(self, images: Tensor, proposals: list[Tensor]) -> RoIOutputs:
        """uint8 images (B, C, S, S) and each one's RoIs (n, 4) xyxy pixels to classes and offsets."""
        return self.head(self.features(images), proposals)

    def postprocess(self, outputs: RoIOutputs) -> list[Detections]:
        """Decoding and NMS: the detections of each image, in pixels, best first."""
        return self.nms(*self.head.decode(outputs, self.image_size))

    def training_step(self, batch: Scenes, batch_index: int) -> Tensor:
        """One batch to its loss, L of eq. 1."""
        images, targets = batch
        proposals = given_proposals(targets)
        sampled = sample_rois(
            proposals, targets, self.rois, self.positive_fraction, self.foreground_iou, self.background_iou
        )
        entropy, box = self.head.loss(self.outputs(images, sampled.proposals), sampled)
        loss = entropy + self.box_weight * box
        self.log_losses(loss, box=box, **{"class": entropy})
        return loss

    def on_test_start(self) -> None:
        """Replaces fc6 and fc7 by truncated layers."""
        if self.svd is not None:
            self.head.compress(self.svd)

    def on_test_end(self) -> None:
        """Uses the layers themselves again."""
        self.head.restore()

    def predict(self, inputs: Sequence[Tensor], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """Boxes in the pixels of each image, see ``Detector``; proposals are searched in the network's input images."""
        self.on_test_start()
        try:
            return super().predict(inputs, options)
        finally:
            self.on_test_end()
