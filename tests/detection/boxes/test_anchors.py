import pytest
import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import box_convert

from leyden.detection.boxes.anchors import anchor_sizes, default_boxes, grid_anchors

NINE = [
    [-83, -39, 100, 56], [-175, -87, 192, 104], [-359, -183, 376, 200],
    [-55, -55, 72, 72], [-119, -119, 136, 136], [-247, -247, 264, 264],
    [-35, -79, 52, 96], [-79, -167, 96, 184], [-167, -343, 184, 360],
]  # fmt: skip
"""The list in the authors' generate_anchors.py: MATLAB's, so pixels count from 1 and both corners belong to a box."""

VOC = [0.1, 0.2, 0.37, 0.54, 0.71, 0.88, 1.05]
COCO = [0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05]
RATIOS = [[2.0], [2.0, 3.0], [2.0, 3.0], [2.0, 3.0], [2.0], [2.0]]
MAPS, STRIDES = [38, 19, 10, 5, 3, 1], [8, 16, 32, 64, 100, 300]


def test_nine_anchors_of_the_authors_code():
    first = box_convert(grid_anchors(anchor_sizes([8, 16, 32], [0.5, 1, 2]), 1, 16), "cxcywh", "xyxy")
    assert torch.equal(first + torch.tensor([1, 1, 0, 0]), torch.tensor(NINE).float())


def test_anchors_lie_around_the_middle_of_every_cell():
    anchors = grid_anchors(torch.tensor([[4.0, 2.0], [3.0, 3.0]]), 3, 8).view(3, 3, 2, 4)
    assert anchors[0, 0].tolist() == [[4, 4, 4, 2], [4, 4, 3, 3]]
    assert anchors[2, 1, 1].tolist() == [12, 20, 3, 3]
    # torchvision's lie around the corner of each cell.
    theirs = AnchorGenerator(((16.0, 32.0),), ((1.0,),))(
        ImageList(torch.zeros(1, 3, 32, 32), [(32, 32)]), [torch.zeros(1, 1, 4, 4)]
    )
    ours = grid_anchors(anchor_sizes([1, 2], [1.0]), 4, 8)
    torch.testing.assert_close(box_convert(ours, "cxcywh", "xyxy") - 4, theirs[0])


def test_ssd300_default_boxes_are_torchvisions():
    ours = default_boxes(300, MAPS, COCO, RATIOS, STRIDES)
    assert ours.shape == (8732, 4)
    generator = DefaultBoxGenerator([[2], [2, 3], [2, 3], [2, 3], [2], [2]], scales=COCO, steps=STRIDES)
    maps = [torch.zeros(1, 1, size, size) for size in MAPS]
    theirs = generator(ImageList(torch.zeros(1, 3, 300, 300), [(300, 300)]), maps)[0]
    corners = torch.cat([ours[:, :2] - ours[:, 2:] / 2, ours[:, :2] + ours[:, 2:] / 2], 1) * 300
    torch.testing.assert_close(corners, theirs, atol=1e-3, rtol=0)
    torch.testing.assert_close(corners[0], torch.tensor([-6.5, -6.5, 14.5, 14.5]), atol=1e-3, rtol=0)


def test_default_boxes_lie_at_cell_centres():
    boxes = default_boxes(64, [2], [0.2, 0.4], [[]])
    torch.testing.assert_close(boxes[::2, :2], torch.tensor([[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]))
    torch.testing.assert_close(boxes[:2, 2], torch.tensor([0.2, 0.08**0.5]))


def test_default_boxes_refuse_lists_that_do_not_fit():
    with pytest.raises(ValueError, match="2 feature maps need 3 scales"):
        default_boxes(64, [2, 1], [0.2, 0.4], [[], []])
