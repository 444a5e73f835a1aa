"""YOLO: you only look once (Redmon et al. 2016, https://arxiv.org/abs/1506.02640).

The image is divided into S x S cells. Each says B boxes (x, y, w, h) with a confidence C, and one vector p of class
probabilities. The cell in which an object's centre lies answers for it, by the box that overlaps it most, the
"responsible" one. Training minimises (eq. 3), by image,

    L = coord sum over responsible boxes of (x - x')^2 + (y - y')^2 + (sqrt(w) - sqrt(w'))^2 + (sqrt(h) - sqrt(h'))^2
      + sum over responsible boxes of (C - IoU)^2
      + noobj sum over all other boxes of C^2                         (also the others of a cell with an object)
      + sum over cells with an object of sum_c (p_c - p'_c)^2         (p' is 1 for the object's class, 0 for others)

with coord = 5 and noobj = 0.5. x and y count from the cell's corner, in cells; w and h are fractions of the image.
All outputs are linear. The IoU that a confidence should say is that of the box as it is now; no gradient flows through
it. Testing scores each box by C p_c (eq. 1) and suppresses overlaps class by class.

What the paper leaves open is done as in its authors' code (darknet): the network says the roots of w and h, so that no
root of a negative number can come up; where no box of a cell overlaps the object, the nearest one is responsible (least
square distance of x, y, w and h). C and p are cut to [0, 1] before they are multiplied: two negative numbers are no
answer. Of two objects in one cell the larger has it, of equal ones the first; the cell does not learn the other.

Departures: any backbone may take the place of the paper's 24 convolutions (``model=detection/yolo448``), and
convolutions that of its fully connected layers; the optimizer; random scaling is the data's.
"""

from collections.abc import Sequence
from typing import NamedTuple, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import box_convert, box_iou

from leyden.detection.boxes.batch import Padded, Target, pad
from leyden.detection.nets.yolo import YOLONet
from leyden.detection.options import Common
from leyden.detection.single_stage import SingleStageDetector
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


def decode_cells(said: Tensor, cell: Tensor, cells: int, sqrt: bool = True) -> Tensor:
    """What cells say as boxes.

    Args:
        said: (..., boxes, 4 or more) x, y from the cell's corner, in cells; w, h, or their roots.
        cell: (...) which of the S * S cells, row by row.
        cells: S.
        sqrt: w and h are roots; otherwise those below 0 count as 0.

    Returns:
        (..., boxes, 4) centre x, centre y, width, height as fractions of the image.
    """
    corner = torch.stack([cell % cells, cell.div(cells, rounding_mode="floor")], -1)[..., None, :]
    size = said[..., 2:4]
    return torch.cat([(said[..., :2] + corner) / cells, size.square() if sqrt else size.clamp(min=0)], -1)


def owners(things: Padded, cells: int) -> tuple[Tensor, Tensor, Tensor]:
    """Which object has which cell: that in which its centre lies; of several the largest, of equal ones the first.

    Args:
        things: objects of B images, boxes as fractions of the image.
        cells: S.

    Returns:
        image, object and cell of the N objects that have one, int64 (N,) each.
    """
    centre = (things.boxes[..., :2] + things.boxes[..., 2:]) / 2
    column, row = (centre * cells).long().clamp(0, cells - 1).unbind(-1)
    cell = row * cells + column
    area = (things.boxes[..., 2:] - things.boxes[..., :2]).prod(-1)
    # (B, M, M): whether the second object takes the first one's cell away.
    order = torch.arange(area.shape[1], device=area.device)
    first = (area[:, None] == area[..., None]) & (order < order[:, None])
    taken = (cell[:, None] == cell[..., None]) & ((area[:, None] > area[..., None]) | first) & things.real[:, None]
    image, thing = (things.real & ~taken.any(2)).nonzero(as_tuple=True)
    return image, thing, cell[image, thing]


def responsible(boxes: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """The box that answers for an object: that of greatest IoU; the nearest where none overlaps; the first of equals.

    Args:
        boxes: (N, boxes, 4) centre x, centre y, width, height.
        truth: (N, 4) likewise.

    Returns:
        (N,) int64 and (N,) its IoU.
    """
    corners, true_corners = (box_convert(each, "cxcywh", "xyxy") for each in (boxes, truth[:, None]))
    overlap = box_iou(corners, true_corners)[..., 0]
    distance = (boxes - truth[:, None]).square().sum(2)
    best = torch.where(overlap.amax(1, keepdim=True) > 0, overlap, -distance).argmax(1)
    return best, overlap.gather(1, best[:, None])[:, 0]


def yolo_loss(boxes: Tensor, classes: Tensor, things: Padded, cells: int, sqrt: bool = True) -> Losses:
    """The sums of eq. 3.

    Args:
        boxes: (B, S * S, boxes, 5), see ``YOLONet.forward``.
        classes: (B, S * S, C).
        things: objects of the B images, boxes as fractions of the image.
        cells: S.
        sqrt: ``boxes`` have roots of sizes, and these are compared.
    """
    image, thing, cell = owners(things, cells)
    truth = box_convert(things.boxes[image, thing], "xyxy", "cxcywh")
    said = boxes[image, cell]
    with torch.no_grad():
        best, overlap = responsible(decode_cells(said, cell, cells, sqrt), truth)
    said = said[torch.arange(len(best), device=best.device), best]
    corner = torch.stack([cell % cells, cell.div(cells, rounding_mode="floor")], 1)
    size = truth[:, 2:].sqrt() if sqrt else truth[:, 2:]
    wanted = torch.cat([truth[:, :2] * cells - corner, size], 1)
    others = torch.ones_like(boxes[..., 4], dtype=torch.bool)
    others[image, cell, best] = False
    labels = F.one_hot(things.labels[image, thing], classes.shape[2])
    return Losses(
        (said[:, :4] - wanted).square().sum() / len(boxes),
        (said[:, 4] - overlap).square().sum() / len(boxes),
        boxes[..., 4][others].square().sum() / len(boxes),
        (classes[image, cell] - labels).square().sum() / len(boxes),
    )


class YOLO(SingleStageDetector):
    """YOLO on its own network of 24 convolutions as in the paper (448 pixels, 7 x 7 cells), or on another backbone.

    Args:
        class_names: given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        backbone: "small_resnet" (sides divisible by 32, from 64 on), "yolo" (by 64), or a network of
            ``leyden.nets.zoo``.
        frozen_stages: so many of the backbone's first stages learn nothing.
        widths: of "small_resnet": channels of the stem, then of the feature maps; null: the backbone's.
        blocks: of "small_resnet": residual blocks of the stem, then of each feature map; null: the backbone's.
        stride: image pixels per cell, that of a map of the backbone; S = image_size / stride.
        head: channels of the 3x3 convolutions between that map and the answers.
        hidden: units of a fully connected layer in their place, as in the paper (4096); null: none.
        boxes: per cell, B.
        sqrt: errors of the roots of sizes, so that small boxes count more; false: of the sizes.
        coord: weight of the boxes' errors.
        noobj: weight of the confidences of boxes that are responsible for nothing.
        common: see ``Detector``.

    Raises:
        ValueError: the backbone cannot take such images, or has no map of that stride.
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
        head: Sequence[int] = (128,),
        hidden: int | None = None,
        boxes: int = 2,
        sqrt: bool = True,
        coord: float = 5.0,
        noobj: float = 0.5,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(class_names, channels, image_size, **common)
        self.save_hyperparameters(logger=False)
        self.sqrt, self.coord, self.noobj = sqrt, coord, noobj
        below = (backbone, len(class_names), channels, image_size, boxes, stride)
        self.net = YOLONet(*below, hidden, head, frozen_stages, widths, blocks)
        arrange(self, self.memory_format)

    def outputs(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 images to what the cells say, see ``YOLONet.forward``."""
        return self.net(images)

    def decoded(self, outputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """That as boxes (B, S * S * boxes, 4) in pixels and their scores (B, S * S * boxes, C), C p_c."""
        said, classes = outputs
        cell = torch.arange(said.shape[1], device=said.device)
        boxes = box_convert(decode_cells(said, cell, self.net.cells, self.sqrt), "cxcywh", "xyxy")
        confidence = said[..., 4:].clamp(0, 1)
        scores = confidence * classes[:, :, None].clamp(0, 1)
        return boxes.clamp(0, 1).flatten(1, 2) * self.image_size, scores.flatten(1, 2)

    def training_step(self, batch: tuple[Tensor, list[Target]], batch_index: int) -> Tensor:
        """One batch to its loss, eq. 3."""
        images, targets = batch
        boxes, classes = self.net(images)
        parts = yolo_loss(boxes, classes, pad(targets, 1 / self.image_size), self.net.cells, self.sqrt)
        loss = self.coord * parts.box + parts.confidence + self.noobj * parts.empty + parts.classes
        names = {"box": parts.box, "confidence": parts.confidence, "empty": parts.empty, "class": parts.classes}
        self.log_losses(loss, **names)
        return loss
