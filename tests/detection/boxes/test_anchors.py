import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import box_convert

from leyden.detection.boxes.anchors import anchor_sizes, grid_anchors

NINE = [
    [-83, -39, 100, 56], [-175, -87, 192, 104], [-359, -183, 376, 200],
    [-55, -55, 72, 72], [-119, -119, 136, 136], [-247, -247, 264, 264],
    [-35, -79, 52, 96], [-79, -167, 96, 184], [-167, -343, 184, 360],
]  # fmt: skip
"""The list in the authors' generate_anchors.py: MATLAB's, so pixels count from 1 and both corners belong to a box."""


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
