import torch

from leyden.detection.boxes.batch import pad_targets


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
