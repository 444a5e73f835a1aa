"""An anchor-free YOLO, after YOLOX (Ge et al. 2021, https://arxiv.org/abs/2107.08430).

Every cell of three maps (strides 8, 16, 32) predicts one box from its centre p, in strides s, with an objectness o and
class logits z. There are no anchors:

    centre = p + s (t_x, t_y)      size = s (exp t_w, exp t_h)      score of class c = sigmoid(o) sigmoid(z_c)

Which cells learn an object is decided anew in each step, by their own predictions: SimOTA
(``leyden.detection.boxes.simota``). With N of them in the batch, and m for those, training minimises

    L = (box sum_m L_GIoU + sum over all cells of BCE(o, [m]) + sum_m sum_c BCE(z_c, IoU [c is the object's class])) / N

with box = 5. The class scores learn to rate the box as well. L_GIoU and the classes' part are exactly 0 where
an image has no object; there only the objectness learns. Testing drops scores below 0.01 and suppresses overlaps class
by class.

Departures: L_GIoU (Rezatofighi et al. 2019, https://arxiv.org/abs/1902.09630), or one of its kin, instead of 1 - IoU^2,
which moves nothing that does not overlap; no L1 loss in the last epochs; boxes from the cells' centres instead of their
corners; a top-down pyramid only, with heads of one convolution per branch; a small residual network, or any of the zoo,
below it; mosaics and sizes are the data's (``data.mosaic``, ``data.multi_scale``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import complete_box_iou_loss, distance_box_iou_loss, generalized_box_iou_loss

from leyden.core.distributed import mean_count
from leyden.core.technique import Exportable
from leyden.data.columns import Scenes
from leyden.detection.boxes.batch import Detections, PaddedTargets, pad_targets
from leyden.detection.boxes.box_coder import LARGEST
from leyden.detection.boxes.simota import simota
from leyden.detection.detector import Detector
from leyden.detection.export import export_before_nms
from leyden.detection.nets.yolox import Outputs, YOLOXNet
from leyden.detection.options import DetectorKwargs, DetectorOptions
from leyden.nets.memory_format import arrange

BoxLoss = Literal["giou", "diou", "ciou"]
BOX_LOSSES: dict[BoxLoss, Callable[[Tensor, Tensor], Tensor]] = {
    "giou": generalized_box_iou_loss,
    "diou": distance_box_iou_loss,
    "ciou": complete_box_iou_loss,
}
"""Losses of xyxy boxes (N, 4) and (N, 4), (N,) each: 1 - IoU plus a penalty."""


class Losses(NamedTuple):
    """The three sums, () each, without their weights, each over the matched cells."""

    box: Tensor
    objectness: Tensor
    classes: Tensor


def decode_points(offsets: Tensor, points: Tensor) -> Tensor:
    """Offsets (B, P, 4) from ``points`` (P, 3) to boxes (B, P, 4) xyxy in pixels; growth is limited to 1000 / 16."""
    stride = points[:, 2:]
    centre = points[:, :2] + offsets[..., :2] * stride
    half = offsets[..., 2:].clamp(max=LARGEST).exp() * stride / 2
    return torch.cat([centre - half, centre + half], -1)


def yolox_loss(outputs: Outputs, objects: PaddedTargets, radius: float = 1.5, box_loss: BoxLoss = "giou") -> Losses:
    """The three sums, each over N, which counts the boxes of all ranks, or as 1 where nothing is matched.

    Args:
        outputs: of the network.
        objects: of the batch, in pixels.
        radius: of the assignment, in strides.
        box_loss: a key of ``BOX_LOSSES``.
    """
    boxes = decode_points(outputs.offsets, outputs.points)
    with torch.no_grad():
        scores = outputs.objectness.sigmoid()[..., None] * outputs.logits.sigmoid()
        match, iou = simota(boxes, scores, outputs.points, objects, radius)
    image, point = (match >= 0).nonzero(as_tuple=True)
    index = match[image, point]
    box_losses = BOX_LOSSES[box_loss](boxes[image, point], objects.boxes[image, index])
    logits = outputs.logits[image, point]
    classes = F.one_hot(objects.labels[image, index], logits.shape[1]) * iou[image, point, None]
    matched = (match >= 0).float()
    count = mean_count(matched.sum())
    return Losses(
        box_losses.sum() / count,
        F.binary_cross_entropy_with_logits(outputs.objectness, matched, reduction="sum") / count,
        F.binary_cross_entropy_with_logits(logits, classes, reduction="sum") / count,
    )


@dataclass(frozen=True, kw_only=True)
class YOLOXOptions(DetectorOptions):
    """The shared options with the values of this technique."""

    widths: Sequence[int] | None = (48, 128, 128, 128)
    blocks: Sequence[int] | None = (1, 2, 1, 1)


class YOLOX(Detector):
    """An anchor-free YOLO with dynamic assignment; it also trains at several sizes (``data.multi_scale``).

    Args:
        class_names: given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        width: channels of pyramid and heads.
        depth: 3x3 convolutions of each branch of a head.
        radius: candidates of an object are the points less than so many strides from its centre.
        box_loss: "giou", "diou" or "ciou".
        box: its weight.
        options: see ``YOLOXOptions``.

    Raises:
        ValueError: the backbone cannot take such images, or there is no such loss.
    """

    options_type = YOLOXOptions

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        width: int = 64,
        depth: int = 1,
        radius: float = 1.5,
        box_loss: BoxLoss = "giou",
        box: float = 5.0,
        **options: Unpack[DetectorKwargs],
    ) -> None:
        super().__init__(class_names, channels, image_size, **options)
        self.save_hyperparameters(logger=False)
        if box_loss not in BOX_LOSSES:
            raise ValueError(f"model.box_loss={box_loss!r}: there are {', '.join(BOX_LOSSES)}")
        self.radius, self.box = radius, box
        self.box_loss: BoxLoss = box_loss
        self.net = YOLOXNet(self.options, len(class_names), channels, image_size, width, depth)
        arrange(self, self.options.memory_format)

    def outputs(self, images: Tensor) -> Outputs:
        """uint8 images (B, C, S, S) to the predictions of all cells."""
        return self.net(images)

    def decode(self, outputs: Outputs) -> tuple[Tensor, Tensor]:
        """The cells' predictions as boxes (B, P, 4) in pixels and their scores (B, P, C)."""
        boxes = decode_points(outputs.offsets, outputs.points).clamp(0, outputs.side)
        return boxes, outputs.objectness.sigmoid()[..., None] * outputs.logits.sigmoid()

    def postprocess(self, outputs: Outputs) -> list[Detections]:
        """Decoding and NMS: the detections of each image, in pixels, best first."""
        return self.nms(*self.decode(outputs), candidates=2 * self.options.max_detections)

    def export_network(self) -> Exportable:
        """The network and its decoding, without NMS."""
        return export_before_nms(self, self.decode)

    def training_step(self, batch: Scenes, batch_index: int) -> Tensor:
        """One batch to its loss."""
        images, targets = batch
        parts = yolox_loss(self.net(images), pad_targets(targets), self.radius, self.box_loss)
        loss = self.box * parts.box + parts.objectness + parts.classes
        self.log_losses(loss, box=parts.box, objectness=parts.objectness, **{"class": parts.classes})
        return loss
