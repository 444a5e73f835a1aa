"""Fast R-CNN: proposals from elsewhere, judged on one feature map (Girshick 2015, https://arxiv.org/abs/1504.08083).

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
image without objects, which the authors' code leaves out, gives any of its proposals as background.
"""

from collections.abc import Sequence
from typing import Unpack

import torch
from torch import Tensor
from torchvision.ops import box_convert

from leyden.core.technique import NO_OPTIONS, Predictions, PredictOptions
from leyden.data.splits import Split
from leyden.detection.boxes.batch import Target
from leyden.detection.boxes.box_coder import encode
from leyden.detection.data import DetectionData
from leyden.detection.detector import Batch, Detector
from leyden.detection.nets.fpn import RegionMaps
from leyden.detection.nets.roi_head import Judged, RoIHead, draw_rois, label_rois
from leyden.detection.options import Common
from leyden.detection.proposals.selective_search import Search, selective_search
from leyden.nets.memory_format import arrange
from leyden.nets.weights import find_weights, load_pretrained


def given(targets: Sequence[Target]) -> list[Tensor]:
    """The proposals (n, 4) that the data gives with each image.

    Raises:
        ValueError: it gives none.
    """
    if any("proposals" not in target for target in targets):
        raise ValueError("Fast R-CNN learns from proposals, the data has none: set data.proposals=selective_search")
    return [target["proposals"] for target in targets]


def offset_statistics(split: Split, classes: int, foreground: float) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the offsets from RoIs to the objects that they show, class by class.

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
        rois = torch.cat([target["boxes"], *given([target])])
        shown, things = label_rois(rois, target, foreground, (0.0, foreground))
        chosen = shown > 0
        offsets = encode(things[chosen], box_convert(rois[chosen], "xyxy", "cxcywh"), (1.0, 1.0))
        count.index_add_(0, shown[chosen] - 1, torch.ones(len(offsets), 1))
        total.index_add_(0, shown[chosen] - 1, offsets)
        squares.index_add_(0, shown[chosen] - 1, offsets**2)
    enough = count > 1
    mean = total / count.clamp(min=1)
    std = (squares / count.clamp(min=1) - mean**2).clamp(min=0).sqrt().clamp(min=0.01)
    return mean.where(enough, 0), std.where(enough, torch.tensor([0.1, 0.1, 0.2, 0.2]))


class FastRCNN(Detector):
    """Fast R-CNN on a small backbone, on VGG16 as in the paper, or on another one.

    Args:
        class_names: given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        backbone: "small_resnet" (sides divisible by 32, from 64 on) or a network of ``leyden.nets.zoo``.
        frozen_stages: so many of the backbone's first stages learn nothing.
        widths: of "small_resnet": channels of the stem, then of each stage; null: 48, then 128.
        blocks: of "small_resnet": residual blocks likewise; null: 1, 2, 1, 1, 0.
        stride: of the map, image pixels per cell.
        roi_size: cells in a row of a pooled RoI.
        fc: outputs of the two fully connected layers.
        dropout: probability with which one of those is dropped in training.
        rois: RoIs per image that a step learns from.
        positive_fraction: of these, so many show objects at most.
        foreground_iou: a RoI with at least this IoU shows an object.
        background_iou: one whose greatest IoU lies in [low, high) is background.
        box_weight: lambda, of the box loss.
        svd: ranks of fc6 and fc7 in tests and predictions; null: the layers as they are.
        search: settings of selective search where ``predict`` meets new pictures; those of the data.
        common: see ``Detector``.

    Raises:
        ValueError: the backbone cannot take such images.
    """

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        backbone: str = "small_resnet",
        frozen_stages: int = 0,
        widths: list[int] | None = None,
        blocks: list[int] | None = None,
        stride: int = 8,
        roi_size: int = 7,
        fc: Sequence[int] = (256, 256),
        dropout: float = 0.0,
        rois: int = 64,
        positive_fraction: float = 0.25,
        foreground_iou: float = 0.5,
        background_iou: Sequence[float] = (0.1, 0.5),
        box_weight: float = 1.0,
        svd: list[int] | None = None,
        search: Search | None = None,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(class_names, channels, image_size, **common)
        self.save_hyperparameters(logger=False)
        self.rois, self.positive_fraction, self.box_weight = rois, positive_fraction, box_weight
        self.foreground_iou, self.background_iou = foreground_iou, tuple(background_iou)
        self.svd, self.search = svd, search or Search()
        self.maps = RegionMaps(
            backbone, channels, image_size, [stride], frozen_stages=frozen_stages, widths=widths, blocks=blocks
        )
        self.head = RoIHead(self.maps.width, [stride], len(class_names), roi_size, fc, dropout)
        arrange(self, self.memory_format)

    def load(self, weights: str) -> None:
        """Also fc6 and fc7, from a whole VGG."""
        below = self.maps.maps.backbone
        state = find_weights(weights, below)
        load_pretrained(below, state, below.stage_names)
        self.head.load_pretrained(state)

    def on_fit_start(self) -> None:
        """Measures the offsets of the training data before the first training."""
        data = getattr(self.trainer, "datamodule", None)
        if not isinstance(data, DetectionData):
            raise ValueError("Fast R-CNN measures its data first: hand them over, trainer.fit(model, datamodule=data)")
        if self.trainer.ckpt_path is None:
            mean, std = offset_statistics(data.split("train"), len(self.class_names), self.foreground_iou)
            self.head.mean.copy_(mean)
            self.head.std.copy_(std)

    def inputs(self, images: Tensor, targets: list[Target]) -> tuple[Tensor, list[Tensor]]:
        """The images, and each one's proposals: the data's, or what selective search finds now."""
        proposals = [
            target["proposals"] if "proposals" in target else selective_search(image, **self.search)
            for image, target in zip(images, targets, strict=True)
        ]
        return images, [boxes.to(images.device) for boxes in proposals]

    def outputs(self, images: Tensor, proposals: list[Tensor]) -> Judged:
        """uint8 images (B, C, S, S) and each one's RoIs (n, 4) xyxy pixels to what is there."""
        return self.head(self.maps(images), proposals)

    def answers(self, outputs: Judged) -> list[Target]:
        """That to the answers of each image, in pixels, best first."""
        return self.suppressed(*self.head.decided(outputs, self.image_size))

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """One batch to its loss, L of eq. 1."""
        images, targets = batch
        drawn = draw_rois(
            given(targets), targets, self.rois, self.positive_fraction, self.foreground_iou, self.background_iou
        )
        judged = self.outputs(images, drawn.proposals)
        entropy, box = self.head.loss(judged, drawn)
        loss = entropy + self.box_weight * box
        self.log_losses(loss, box=box, **{"class": entropy})
        return loss

    def on_test_start(self) -> None:
        """Puts the truncated layers in."""
        if self.svd is not None:
            self.head.compress(self.svd)

    def on_test_end(self) -> None:
        """Takes them out again."""
        self.head.restore()

    def predict(self, inputs: Sequence[Tensor], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """See ``Detector``; proposals are searched in the pictures as the network sees them."""
        self.on_test_start()
        try:
            return super().predict(inputs, options)
        finally:
            self.on_test_end()
