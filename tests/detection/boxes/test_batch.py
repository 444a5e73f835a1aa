import pytest
import torch
from detections import nms
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import box_iou
from torchvision.ops import nms as one_class_nms

from leyden.detection.boxes.anchors import default_boxes
from leyden.detection.boxes.batch import pad_targets
from leyden.detection.boxes.box_coder import decode, encode

VOC = [0.1, 0.2, 0.37, 0.54, 0.71, 0.88, 1.05]
COCO = [0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05]
RATIOS = [[2.0], [2.0, 3.0], [2.0, 3.0], [2.0, 3.0], [2.0], [2.0]]
MAPS, STRIDES = [38, 19, 10, 5, 3, 1], [8, 16, 32, 64, 100, 300]


def random_boxes(count: int, seed: int = 0, side: float = 100.0) -> torch.Tensor:
    low, size = torch.rand(2, count, 2, generator=torch.Generator().manual_seed(seed)) * side / 2
    return torch.cat([low, low + size + 1], 1)


def test_encode_gives_the_published_values():
    prior = torch.tensor([0.5, 0.5, 0.2, 0.4])
    offsets = encode(torch.tensor([0.4, 0.3, 0.6, 0.8]), prior)
    torch.testing.assert_close(offsets, torch.tensor([0.0, 1.25, 0.0, 1.115718]))


def test_coder_agrees_with_torchvision_and_inverts_itself():
    boxes, priors = random_boxes(50, 1), random_boxes(50, 2)
    centred = torch.cat([(priors[:, :2] + priors[:, 2:]) / 2, priors[:, 2:] - priors[:, :2]], 1)
    offsets = encode(boxes, centred)
    torch.testing.assert_close(offsets, BoxCoder((10.0, 10.0, 5.0, 5.0)).encode_single(boxes, priors))
    torch.testing.assert_close(decode(offsets, centred), boxes)


def test_decoded_boxes_of_wild_offsets_are_finite():
    assert decode(torch.full((1, 4), 1e4), torch.ones(1, 4)).isfinite().all()


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


def test_pad_gathers_ragged_targets():
    targets = [
        {"boxes": torch.tensor([[0.0, 0, 4, 8]]), "labels": torch.tensor([3])},
        {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)},
        {"boxes": torch.tensor([[1.0, 1, 2, 2], [2.0, 2, 4, 4]]), "labels": torch.tensor([1, 2])},
    ]
    boxes, labels, valid = pad_targets(targets, 0.5)
    assert valid.tolist() == [[True, False], [False, False], [True, True]]
    assert labels.tolist() == [[3, 0], [0, 0], [1, 2]]
    assert boxes[0, 0].tolist() == [0, 0, 2, 4]
    assert boxes[2, 1].tolist() == [1, 1, 2, 2]
