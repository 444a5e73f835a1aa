"""Faster R-CNN: a network that makes its own proposals (Ren et al. 2015, https://arxiv.org/abs/1506.01497).

One backbone, two heads on its map: the region proposal network (``leyden.detection.nets.rpn``) says where
something is, Fast R-CNN's (``leyden.detection.nets.roi_head``) what it is and where exactly. Both learn together from

    L = L_objectness + L_anchor_box + L_class + lambda L_box

in one step, where no gradient flows through the corners of the proposals: "approximate joint training" (section 3.2),
that of the authors' Python code and of all later ones. RoIs and objects are drawn as in Fast R-CNN, but background is
everything below IoU 0.5, and offsets are divided by fixed (0.1, 0.1, 0.2, 0.2), as in that code.

Departures: a step sees ``data.batch_size`` images (16) instead of one, with fewer anchors, proposals and RoIs each, so
that two CPU cores train it in minutes; "small_resnet" is a small residual network instead of VGG16, with its map at
stride 8 and anchors of the size of its objects; anchors that reach beyond the image learn too (``inside_only=true``:
not), because in small images most do. With ``pyramid`` both heads look at several maps (Lin et al. 2017).
"""

from collections.abc import Sequence
from typing import Unpack

from torch import Tensor

from leyden.detection.boxes.batch import Target
from leyden.detection.detector import Batch, Detector
from leyden.detection.nets.fpn import RegionMaps
from leyden.detection.nets.roi_head import Judged, RoIHead, draw_rois
from leyden.detection.nets.rpn import RPN
from leyden.detection.options import Common
from leyden.nets.memory_format import arrange
from leyden.nets.weights import find_weights, load_pretrained
from leyden.visualization.detection.boxes import PREDICTED, TARGET, Mark, draw_marks, draw_tiles
from leyden.visualization.logging import log_image

DRAWN = 20
"""Proposals of an image that a picture shows."""


class FasterRCNN(Detector):
    """Faster R-CNN on a small backbone, on VGG16 as in the paper, or on another one, with a pyramid if wanted.

    Args:
        class_names: given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        backbone: "small_resnet" (sides divisible by 32, from 64 on) or a network of ``leyden.nets.zoo``.
        frozen_stages: so many of the backbone's first stages learn nothing.
        widths: of "small_resnet": channels of the stem, then of each stage; null: 48, then 128.
        blocks: of "small_resnet": residual blocks likewise; null: 1, 2, 1, 1, 0.
        pyramid: several maps instead of one, all of them of ``pyramid_width`` channels.
        pyramid_width: see there.
        strides: of the maps, image pixels per cell; one without a pyramid.
        scales: side of the anchors as fractions of the image; with a pyramid one for each map.
        ratios: height over width of the anchors.
        rpn_width: channels of the region proposal network.
        anchors: per image that a step learns from, at most half of them with an object.
        inside_only: anchors that reach beyond the image are not learnt.
        rpn_iou: an anchor with at least the first IoU holds an object, below the second to all it is background.
        before_nms: best anchors (of each map) that suppression looks at, in training and in a test.
        proposals: best ones that remain, likewise.
        proposal_iou: of two proposals that overlap more, the lesser is dropped.
        min_box_size: narrower or lower proposals are dropped, pixels.
        roi_size: cells in a row of a pooled RoI.
        roi_cells: with a pyramid: a RoI of this side, in cells of the finest map, is pooled from the second one.
        fc: outputs of the two fully connected layers.
        dropout: probability with which one of those is dropped in training.
        rois: RoIs per image that a step learns from.
        positive_fraction: of these, so many show objects at most.
        foreground_iou: a RoI with at least this IoU shows an object.
        background_iou: one whose greatest IoU lies in [low, high) is background.
        box_weight: lambda, of the head's box loss.
        common: see ``Detector``.

    Raises:
        ValueError: the backbone cannot take such images, or strides and scales do not fit.
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
        **common: Unpack[Common],
    ) -> None:
        super().__init__(class_names, channels, image_size, **common)
        self.save_hyperparameters(logger=False)
        self.rois, self.positive_fraction, self.box_weight = rois, positive_fraction, box_weight
        self.foreground_iou, self.background_iou = foreground_iou, tuple(background_iou)
        self.maps = RegionMaps(
            backbone, channels, image_size, strides, pyramid, pyramid_width, frozen_stages, widths, blocks
        )
        self.rpn = RPN(
            self.maps.width,
            image_size,
            strides,
            self.maps.sizes,
            scales,
            ratios,
            rpn_width,
            anchors,
            inside=inside_only,
            thresholds=rpn_iou,
            before=before_nms,
            after=proposals,
            iou=proposal_iou,
            min_box_size=min_box_size,
        )
        self.head = RoIHead(self.maps.width, strides, len(class_names), roi_size, fc, dropout, roi_cells)
        arrange(self, self.memory_format)

    def load(self, weights: str) -> None:
        """Also fc6 and fc7, from a whole VGG."""
        below = self.maps.maps.backbone
        state = find_weights(weights, below)
        load_pretrained(below, state, below.stage_names)
        self.head.load_pretrained(state)

    def outputs(self, images: Tensor) -> Judged:
        """uint8 images (B, C, S, S) to proposals and what is there."""
        maps = self.maps(images)
        return self.head(maps, self.rpn.propose(*self.rpn(maps)))

    def answers(self, outputs: Judged) -> list[Target]:
        """That to the answers of each image, in pixels, best first."""
        return self.suppressed(*self.head.decided(outputs, self.image_size))

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """One batch to its loss: both networks, one step."""
        images, targets = batch
        maps = self.maps(images)
        logits, offsets = self.rpn(maps)
        objectness, anchor_box = self.rpn.loss(logits, offsets, targets)
        proposals = self.rpn.propose(logits, offsets)
        drawn = draw_rois(
            proposals, targets, self.rois, self.positive_fraction, self.foreground_iou, self.background_iou
        )
        entropy, box = self.head.loss(self.head(maps, drawn.proposals), drawn)
        loss = objectness + anchor_box + entropy + self.box_weight * box
        self.log_losses(loss, objectness=objectness, anchor_box=anchor_box, box=box, **{"class": entropy})
        return loss

    def show(self, stage: str, images: Tensor, answers: list[Target], targets: list[Target]) -> None:
        """Also the best proposals."""
        super().show(stage, images, answers, targets)
        if stage == "test":
            rois = self.outputs(images.to(self.device))
            tiles = [
                draw_marks(
                    image,
                    [Mark(box, PREDICTED, thin=True) for box in boxes[:DRAWN].tolist()]
                    + [Mark(box, TARGET) for box in target["boxes"].tolist()],
                    side=256,
                )
                for image, boxes, target in zip(images, rois.rois.split(rois.counts), targets, strict=True)
            ]
            legend = {f"the {DRAWN} best proposals": PREDICTED, "objects": TARGET}
            log_image(self, "proposals", draw_tiles(tiles, legend))
