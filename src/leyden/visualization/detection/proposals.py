"""Where a detector on proposals may look, and which objects it can reach from there."""

from collections.abc import Sequence

from torch import Tensor
from torchvision.ops import box_iou

from leyden.visualization.detection.boxes import IGNORED, MISS, PREDICTED, TARGET, Colour, Mark, draw_marks, draw_tiles

NEAR, FAR, REACHED = PREDICTED, IGNORED, TARGET
LEGEND: dict[str, Colour] = {
    "proposal that overlaps an object by more than 0.5": NEAR,
    "other proposal": FAR,
    "object that one reaches": REACHED,
    "object that none reaches": MISS,
}


def draw_proposals(images: Tensor, proposals: Sequence[Tensor], targets: Sequence[dict[str, Tensor]]) -> Tensor:
    """Images with their proposals, those on an object on top of the others, and the objects on top of all.

    Args:
        images: (N, C, H, W) uint8, at least one.
        proposals: of each image (n, 4) xyxy pixels.
        targets: of each image, "boxes" (m, 4) xyxy pixels.

    Returns:
        uint8 (3, H', W').
    """
    examples = zip(images, proposals, targets, strict=True)
    return draw_tiles([_tile(image, boxes.cpu(), target["boxes"].cpu()) for image, boxes, target in examples], LEGEND)


def _tile(image: Tensor, proposals: Tensor, objects: Tensor) -> Tensor:
    near = box_iou(proposals, objects) > 0.5
    on_object, reached = near.any(1), near.any(0)
    marks = [Mark(box, FAR, thin=True) for box in proposals[~on_object].tolist()]
    marks += [Mark(box, NEAR, thin=True) for box in proposals[on_object].tolist()]
    marks += [Mark(box, REACHED) for box in objects[reached].tolist()]
    marks += [Mark(box, MISS, dashed=True) for box in objects[~reached].tolist()]
    return draw_marks(image, marks, side=256)
