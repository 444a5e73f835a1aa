"""YOLO: you only look once (Redmon et al. 2016, https://arxiv.org/abs/1506.02640).

The image is divided into S x S cells. Each predicts B boxes (x, y, w, h) with a confidence C, and one vector p of class
probabilities. The cell in which an object's centre lies detects it, by the box that overlaps it most, the "responsible"
one. Training minimises (eq. 3), by image,

    L = coord sum over responsible boxes of (x - x')^2 + (y - y')^2 + (sqrt(w) - sqrt(w'))^2 + (sqrt(h) - sqrt(h'))^2
      + sum over responsible boxes of (C - IoU)^2
      + noobj sum over all other boxes of C^2                         (also the others of a cell with an object)
      + sum over cells with an object of sum_c (p_c - p'_c)^2         (p' is 1 for the object's class, 0 for others)

with coord = 5 and noobj = 0.5. x and y count from the cell's corner, in cells; w and h are fractions of the image.
All outputs are linear. The IoU that a confidence learns is that of the box as it is now; no gradient flows through it.
Testing scores each box by C p_c (eq. 1) and suppresses overlaps class by class.

What the paper leaves open is done as in its authors' code (darknet): the network predicts the roots of w and h, so that
no root of a negative number can come up; where no box of a cell overlaps the object, the nearest one is responsible
(least square distance of x, y, w and h). C and p are cut to [0, 1] before they are multiplied, for two negative numbers
make no score. Of two objects in one cell the larger has it, of equal ones the first; the cell does not learn the other.

Departures: any backbone may take the place of the paper's 24 convolutions (``model=detection/yolo448``), and
convolutions that of its fully connected layers; the optimizer; random scaling is the data's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import box_convert, box_iou

from leyden.core.technique import Exportable
from leyden.data.columns import Scenes
from leyden.detection.boxes.batch import Detections, PaddedTargets, pad_targets
from leyden.detection.detector import Detector
from leyden.detection.export import export_before_nms
from leyden.detection.nets.yolo import YOLONet
from leyden.detection.options import DetectorKwargs, DetectorOptions
from leyden.nets.memory_format import arrange


class Losses(NamedTuple):
    """The sums of eq. 3, () each, without their weights; means over the images."""

    box: Tensor
    """Squared errors of the responsible boxes."""
    confidence: Tensor
    """Of their confidences."""
    empty: Tensor
    """Of the confidences of all other boxes."""
    classes: Tensor
    """Of the class probabilities, in cells with an object."""


def decode_cells(predicted: Tensor, cell: Tensor, cells: int, sqrt: bool = True) -> Tensor:
    """The predictions of cells as boxes.

    Args:
        predicted: (..., boxes, 4 or more) x, y from the cell's corner, in cells; w, h, or their roots.
        cell: (...) which of the S * S cells, row by row.
        cells: S.
        sqrt: w and h are roots; otherwise those below 0 count as 0.

    Returns:
        (..., boxes, 4) centre x, centre y, width, height as fractions of the image.
    """
    corner = torch.stack([cell % cells, cell.div(cells, rounding_mode="floor")], -1)[..., None, :]
    size = predicted[..., 2:4]
    return torch.cat([(predicted[..., :2] + corner) / cells, size.square() if sqrt else size.clamp(min=0)], -1)


def assign_cells(objects: PaddedTargets, cells: int) -> tuple[Tensor, Tensor, Tensor]:
    """The cell of each object: that of its centre; of several objects there the largest has it, of equals the first.

    Args:
        objects: of B images, boxes as fractions of the image.
        cells: S.

    Returns:
        image, object and cell of the N objects that have a cell, int64 (N,) each.
    """
    centre = (objects.boxes[..., :2] + objects.boxes[..., 2:]) / 2
    column, row = (centre * cells).long().clamp(0, cells - 1).unbind(-1)
    cell = row * cells + column
    area = (objects.boxes[..., 2:] - objects.boxes[..., :2]).prod(-1)
    # (B, M, M): whether the second object takes the first one's cell away.
    order = torch.arange(area.shape[1], device=area.device)
    first = (area[:, None] == area[..., None]) & (order < order[:, None])
    taken = (cell[:, None] == cell[..., None]) & ((area[:, None] > area[..., None]) | first) & objects.valid[:, None]
    image, index = (objects.valid & ~taken.any(2)).nonzero(as_tuple=True)
    return image, index, cell[image, index]


def responsible(boxes: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The responsible box of each object: that of greatest IoU; the nearest where none overlaps; the first of equals.

    Args:
        boxes: (N, boxes, 4) centre x, centre y, width, height.
        targets: (N, 4) centre x, centre y, width, height of the objects.

    Returns:
        (N,) int64 index of the box, and (N,) its IoU.
    """
    corners, target_corners = (box_convert(each, "cxcywh", "xyxy") for each in (boxes, targets[:, None]))
    overlap = box_iou(corners, target_corners)[..., 0]
    distance = (boxes - targets[:, None]).square().sum(2)
    best = torch.where(overlap.amax(1, keepdim=True) > 0, overlap, -distance).argmax(1)
    return best, overlap.gather(1, best[:, None])[:, 0]


def yolo_loss(boxes: Tensor, classes: Tensor, objects: PaddedTargets, cells: int, sqrt: bool = True) -> Losses:
    """The sums of eq. 3.

    Args:
        boxes: (B, S * S, boxes, 5), see ``YOLONet.forward``.
        classes: (B, S * S, C).
        objects: of the B images, boxes as fractions of the image.
        cells: S.
        sqrt: ``boxes`` have roots of sizes, and these are compared.
    """
    image, index, cell = assign_cells(objects, cells)
    targets = box_convert(objects.boxes[image, index], "xyxy", "cxcywh")
    predicted = boxes[image, cell]
    with torch.no_grad():
        best, overlap = responsible(decode_cells(predicted, cell, cells, sqrt), targets)
    predicted = predicted[torch.arange(len(best), device=best.device), best]
    corner = torch.stack([cell % cells, cell.div(cells, rounding_mode="floor")], 1)
    size = targets[:, 2:].sqrt() if sqrt else targets[:, 2:]
    coded = torch.cat([targets[:, :2] * cells - corner, size], 1)
    not_responsible = torch.ones_like(boxes[..., 4], dtype=torch.bool)
    not_responsible[image, cell, best] = False
    labels = F.one_hot(objects.labels[image, index], classes.shape[2])
    return Losses(
        (predicted[:, :4] - coded).square().sum() / len(boxes),
        (predicted[:, 4] - overlap).square().sum() / len(boxes),
        boxes[..., 4][not_responsible].square().sum() / len(boxes),
        (classes[image, cell] - labels).square().sum() / len(boxes),
    )


@dataclass(frozen=True, kw_only=True)
class YOLOOptions(DetectorOptions):
    """The shared options with the values of this technique."""

    widths: Sequence[int] | None = (48, 128, 128, 128, 128)
    blocks: Sequence[int] | None = (1, 2, 1, 1, 0)
    display_threshold: float = 0.3


class YOLO(Detector):
    """YOLO on its own network of 24 convolutions as in the paper (448 pixels, 7 x 7 cells), or on another backbone.

    Args:
        class_names: given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        stride: image pixels per cell, that of a map of the backbone; S = image_size / stride.
        head: channels of the 3x3 convolutions between that map and the last layer.
        hidden: units of a fully connected layer in their place, as in the paper (4096); null: none.
        boxes: per cell, B.
        sqrt: errors of the roots of sizes, so that small boxes count more; false: of the sizes.
        coord: weight of the boxes' errors.
        noobj: weight of the confidences of boxes that are not responsible.
        options: see ``YOLOOptions``; ``backbone`` may also be "yolo", for sides divisible by 64.

    Raises:
        ValueError: the backbone cannot take such images, or has no map of that stride.
    """

    options_type = YOLOOptions

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        stride: int = 8,
        head: Sequence[int] = (128,),
        hidden: int | None = None,
        boxes: int = 2,
        sqrt: bool = True,
        coord: float = 5.0,
        noobj: float = 0.5,
        **options: Unpack[DetectorKwargs],
    ) -> None:
        super().__init__(class_names, channels, image_size, **options)
        self.save_hyperparameters(logger=False)
        self.sqrt, self.coord, self.noobj = sqrt, coord, noobj
        self.net = YOLONet(self.options, len(class_names), channels, image_size, boxes, stride, hidden, head)
        arrange(self, self.options.memory_format)

    def outputs(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 images to the predictions of all cells, see ``YOLONet.forward``."""
        return self.net(images)

    def decode(self, outputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """The cells' predictions as boxes (B, S * S * boxes, 4) in pixels and scores (B, S * S * boxes, C), C p_c."""
        predicted, classes = outputs
        cell = torch.arange(predicted.shape[1], device=predicted.device)
        boxes = box_convert(decode_cells(predicted, cell, self.net.cells, self.sqrt), "cxcywh", "xyxy")
        confidence = predicted[..., 4:].clamp(0, 1)
        scores = confidence * classes[:, :, None].clamp(0, 1)
        return boxes.clamp(0, 1).flatten(1, 2) * self.image_size, scores.flatten(1, 2)

    def postprocess(self, outputs: tuple[Tensor, Tensor]) -> list[Detections]:
        """Decoding and NMS: the detections of each image, in pixels, best first."""
        return self.nms(*self.decode(outputs), candidates=2 * self.options.max_detections)

    def export_network(self) -> Exportable:
        """The network and its decoding, without NMS."""
        return export_before_nms(self, self.decode)

    def training_step(self, batch: Scenes, batch_index: int) -> Tensor:
        """One batch to its loss, eq. 3."""
        images, targets = batch
        boxes, classes = self.net(images)
        parts = yolo_loss(boxes, classes, pad_targets(targets, 1 / self.image_size), self.net.cells, self.sqrt)
        loss = self.coord * parts.box + parts.confidence + self.noobj * parts.empty + parts.classes
        names = {"box": parts.box, "confidence": parts.confidence, "empty": parts.empty, "class": parts.classes}
        self.log_losses(loss, **names)
        return loss
