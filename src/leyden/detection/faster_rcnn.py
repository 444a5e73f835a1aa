"""Faster R-CNN: a network that makes its own proposals (Ren et al. 2015, https://arxiv.org/abs/1506.01497).

One backbone, two heads on its map: the region proposal network (``leyden.detection.nets.rpn``) proposes
boxes, Fast R-CNN's head (``leyden.detection.nets.roi_head``) classifies and refines them. Both learn together from

    L = L_objectness + L_anchor_box + L_class + lambda L_box

in one step, where no gradient flows through the corners of the proposals: "approximate joint training" (section 3.2),
that of the authors' Python code and of all later ones. RoIs are sampled as in Fast R-CNN, but background is
everything below IoU 0.5, and offsets are divided by fixed (0.1, 0.1, 0.2, 0.2), as in that code.

Departures: a step sees ``data.batch_size`` images (16) instead of one, with fewer anchors, proposals and RoIs each, so
that two CPU cores train it in minutes; "small_resnet" is a small residual network instead of VGG16, with its map at
stride 8 and anchors of the size of its objects; anchors that reach beyond the image learn too (``inside_only=true``:
not), because in small images most do. With ``pyramid`` both heads use several maps (Lin et al. 2017).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

from torch import Tensor

from leyden.data.columns import Scenes
from leyden.detection.boxes.batch import Detections
from leyden.detection.boxes.roi_sampling import sample_rois
from leyden.detection.detector import Detector
from leyden.detection.evaluation.evaluator import Examples
from leyden.detection.nets.fpn import RegionFeatures
from leyden.detection.nets.roi_head import RoIHead, RoIOutputs
from leyden.detection.nets.rpn import RPN
from leyden.detection.options import DetectorKwargs, DetectorOptions
from leyden.nets.memory_format import arrange
from leyden.visualization.detection.boxes import PREDICTED, TARGET, Mark, draw_marks, draw_tiles
from leyden.visualization.logging import log_image

DRAWN = 20
"""Proposals of an image that are drawn."""


@dataclass(frozen=True, kw_only=True)
class FasterRCNNOptions(DetectorOptions):
    """The shared options with the values of this technique."""

    widths: Sequence[int] | None = (48, 128)
    blocks: Sequence[int] | None = (1, 3)
    lr: float = 2e-3


class FasterRCNN(Detector):
    """Faster R-CNN on a small backbone, on VGG16 as in the paper, or on another one, with a pyramid if wanted.

    Args:
        class_names: given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        pyramid: several maps instead of one.
        pyramid_width: channels of the maps of a pyramid.
        strides: of the maps, image pixels per cell; one without a pyramid.
        scales: side of the anchors as fractions of the image; with a pyramid one for each map.
        ratios: height over width of the anchors.
        rpn_width: channels of the region proposal network.
        anchors: per image that a step learns from, at most half of them with an object.
        inside_only: anchors that reach beyond the image are not learned.
        rpn_iou: an anchor with at least the first IoU holds an object, below the second to all it is background.
        before_nms: best anchors (of each map) that NMS looks at, in training and in a test.
        proposals: best ones that remain, in training and in a test.
        proposal_iou: of two proposals that overlap more, the lesser is dropped.
        min_box_size: narrower or lower proposals are dropped, pixels.
        roi_size: cells in a row of a pooled RoI.
        roi_cells: with a pyramid: a RoI of this side, in cells of the finest map, is pooled from the second one.
        fc: outputs of the two fully connected layers.
        dropout: probability with which one of those is dropped in training.
        rois: RoIs per image that a step learns from.
        positive_fraction: at most this part of them show objects.
        foreground_iou: a RoI with at least this IoU shows an object.
        background_iou: one whose greatest IoU lies in [low, high) is background.
        box_weight: lambda, of the head's box loss.
        options: see ``FasterRCNNOptions``.

    Raises:
        ValueError: the backbone cannot take such images, or strides and scales do not fit.
    """

    options_type = FasterRCNNOptions

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        pyramid: bool = False,
        pyramid_width: int = 128,
        strides: Sequence[int] = (8,),
        scales: Sequence[float] = (0.15, 0.25, 0.4),
        ratios: Sequence[float] = (0.5, 1.0, 2.0),
        rpn_width: int = 128,
        anchors: int = 64,
        inside_only: bool = False,
        rpn_iou: Sequence[float] = (0.7, 0.3),
        before_nms: Sequence[int] = (300, 200),
        proposals: Sequence[int] = (100, 50),
        proposal_iou: float = 0.7,
        min_box_size: float = 4.0,
        roi_size: int = 7,
        roi_cells: float = 14.0,
        fc: Sequence[int] = (256, 256),
        dropout: float = 0.0,
        rois: int = 32,
        positive_fraction: float = 0.25,
        foreground_iou: float = 0.5,
        background_iou: Sequence[float] = (0.0, 0.5),
        box_weight: float = 1.0,
        **options: Unpack[DetectorKwargs],
    ) -> None:
        super().__init__(class_names, channels, image_size, **options)
        self.save_hyperparameters(logger=False)
        self.rois, self.positive_fraction, self.box_weight = rois, positive_fraction, box_weight
        self.foreground_iou, self.background_iou = foreground_iou, tuple(background_iou)
        self.features = RegionFeatures(self.options, channels, image_size, strides, pyramid, pyramid_width)
        self.rpn = RPN(
            self.features.width,
            image_size,
            strides,
            self.features.sizes,
            scales,
            ratios,
            rpn_width,
            anchors,
            inside_only=inside_only,
            thresholds=rpn_iou,
            before_nms=before_nms,
            after_nms=proposals,
            nms_iou=proposal_iou,
            min_box_size=min_box_size,
        )
        self.head = RoIHead(self.features.width, strides, len(class_names), roi_size, fc, dropout, roi_cells)
        arrange(self, self.options.memory_format)

    def load_pretrained(self, weights: str) -> None:
        """Loads the backbone's weights, and fc6 and fc7 from a whole VGG."""
        self.head.load_pretrained(self.features.features.load_pretrained(weights))

    def outputs(self, images: Tensor) -> RoIOutputs:
        """uint8 images (B, C, S, S) to proposals with their classes and offsets."""
        maps = self.features(images)
        return self.head(maps, self.rpn.propose(*self.rpn(maps)))

    def postprocess(self, outputs: RoIOutputs) -> list[Detections]:
        """Decoding and NMS: the detections of each image, in pixels, best first."""
        return self.nms(*self.head.decode(outputs, self.image_size))

    def training_step(self, batch: Scenes, batch_index: int) -> Tensor:
        """One batch to its loss: both networks, one step."""
        images, targets = batch
        maps = self.features(images)
        logits, offsets = self.rpn(maps)
        objectness, anchor_box = self.rpn.loss(logits, offsets, targets)
        proposals = self.rpn.propose(logits, offsets)
        sampled = sample_rois(
            proposals, targets, self.rois, self.positive_fraction, self.foreground_iou, self.background_iou
        )
        entropy, box = self.head.loss(self.head(maps, sampled.proposals), sampled)
        loss = objectness + anchor_box + entropy + self.box_weight * box
        self.log_losses(loss, objectness=objectness, anchor_box=anchor_box, box=box, **{"class": entropy})
        return loss

    def log_examples(self, stage: str, examples: Examples) -> None:
        """Logs also the best proposals of each image."""
        super().log_examples(stage, examples)
        if stage != "test":
            return
        outputs = self.outputs(examples.images.to(self.device))
        proposals = outputs.rois.split(outputs.counts)
        tiles = []
        for image, boxes, target in zip(examples.images, proposals, examples.targets, strict=True):
            marks = [Mark(box, PREDICTED, thin=True) for box in boxes[:DRAWN].tolist()]
            marks += [Mark(box, TARGET) for box in target["boxes"].tolist()]
            tiles.append(draw_marks(image, marks, side=256))
        legend = {f"the {DRAWN} best proposals": PREDICTED, "objects": TARGET}
        log_image(self, "proposals", draw_tiles(tiles, legend))
