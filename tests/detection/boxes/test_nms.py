import torch
from detections import nms
from torchvision.ops import box_iou
from torchvision.ops import nms as one_class_nms


def random_boxes(count: int, seed: int = 0, side: float = 100.0) -> torch.Tensor:
    low, size = torch.rand(2, count, 2, generator=torch.Generator().manual_seed(seed)) * side / 2
    return torch.cat([low, low + size + 1], 1)


def test_nms_keeps_overlapping_boxes_of_different_classes():
    boxes = torch.tensor([[0.0, 0, 10, 10], [1.0, 0, 11, 10]])
    scores = torch.tensor([[0.9, 0.0], [0.8, 0.7]])
    found = nms(boxes, scores, 0.01, 0.45, 400, 200)
    assert found["labels"].tolist() == [0, 1]
    torch.testing.assert_close(found["scores"], torch.tensor([0.9, 0.7]))
    torch.testing.assert_close(found["boxes"], boxes)


def test_nms_is_torchvisions_class_by_class():
    boxes, scores = random_boxes(300, 3), torch.rand(300, 4, generator=torch.Generator().manual_seed(4))
    found = nms(boxes, scores, 0.1, 0.45, 300, 10_000)
    assert (found["scores"].diff() <= 0).all()
    for label in range(4):
        confident = (scores[:, label] > 0.1).nonzero().flatten()
        kept = confident[one_class_nms(boxes[confident], scores[confident, label], 0.45)]
        torch.testing.assert_close(found["scores"][found["labels"] == label], scores[kept, label])
        assert (box_iou(boxes[kept], boxes[kept]) - torch.eye(len(kept))).max() <= 0.45
    assert len(nms(boxes, scores, 0.1, 0.45, 300, 7)["labels"]) == 7


def test_nms_may_find_nothing():
    found = nms(torch.ones(5, 4), torch.zeros(5, 2), 0.01, 0.45, 400, 200)
    assert found["boxes"].shape == (0, 4)
    assert found["labels"].shape == found["scores"].shape == (0,)
