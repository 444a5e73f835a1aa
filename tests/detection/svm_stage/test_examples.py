import pytest
import torch
from detections import target
from torch import Tensor

from leyden.data.columns import Scenes
from leyden.data.splits import InMemory
from leyden.detection.nets.rcnn import CropFeatures
from leyden.detection.svm_stage.examples import class_overlap, gather_examples, sample_regions

NOTHING = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}


def test_overlap_by_class():
    there = target([0.0, 0, 10, 10], [0, 0, 10, 20], [50, 50, 60, 60], labels=[2, 2, 0])
    overlap = class_overlap(torch.tensor([[0.0, 0, 10, 10], [30, 30, 40, 40]]), there, 3)
    assert overlap.tolist() == [[0, 0, 1], [0, 0, 0]]
    assert class_overlap(torch.zeros(0, 4), there, 3).shape == (0, 3)
    assert class_overlap(torch.ones(2, 4), NOTHING, 3).tolist() == [[0, 0, 0]] * 2


def test_step_samples_regions_of_whole_batch():
    shifts = torch.tensor([0, 3, 4, 6])  # IoU 1, 7/13, 6/14, 4/16 with a box of 10
    first = target([20.0, 20, 30, 30], labels=[1])
    first["proposals"] = first["boxes"] + shifts[:, None] * torch.tensor([1, 0, 1, 0])
    empty = {**NOTHING, "proposals": torch.tensor([[0.0, 0, 9, 9]])}
    sampled = sample_regions([first, empty], 3, 32, 96, 0.5)
    # The object is a region too.
    assert sampled.classes.tolist() == [2, 2, 2, 0, 0, 0]
    assert sampled.image[:3].tolist() == [0, 0, 0]
    assert sorted(sampled.image[3:].tolist()) == [0, 0, 1]
    assert sorted(sampled.boxes[:3, 0].tolist()) == [20, 20, 23]
    for _ in range(5):
        sampled = sample_regions([first, empty], 3, 2, 1, 0.5)
        assert sampled.classes.tolist() == [2, 2, 0]
        assert len(sampled.boxes[:2].unique(dim=0)) + int((sampled.boxes[:2] == first["boxes"]).all()) == 2
    with pytest.raises(ValueError, match=r"set data\.proposals=selective_search"):
        sample_regions([first, NOTHING], 3, 32, 96, 0.5)


def test_examples_of_svms_and_regression():
    there = target([20.0, 20, 30, 30], labels=[1])
    shifts = torch.tensor([2, 3, 4, 6])  # IoU 8/12, 7/13, 6/14, 4/16
    there["proposals"] = there["boxes"] + shifts[:, None] * torch.tensor([1, 0, 1, 0])
    empty = {**NOTHING, "proposals": torch.tensor([[0.0, 0, 9, 9]])}
    split = InMemory(Scenes(torch.zeros(2, 3, 64, 64, dtype=torch.uint8), [there, empty]))

    def features_of(images: Tensor, regions: list[Tensor]) -> CropFeatures:
        boxes = torch.cat(regions)
        return CropFeatures(boxes[:, 1:3], boxes[:, :1], boxes)

    found = gather_examples(split, torch.arange(2), 1, 3, features_of)
    assert found.counts == [5, 1]
    assert found.regions.labels.tolist() == [1, -1, -1, -1, -1, -1]
    assert found.regions.features.flatten().tolist() == [20, 22, 23, 24, 26, 0]
    # All but the class of the object are background everywhere; the grey zone is 0.3 to 1.
    assert found.regions.negative[:, 1].tolist() == [False, False, False, False, True, True]
    assert found.regions.negative[:, [0, 2]].all()
    # IoU > 0.6: the object itself and the first proposal, which is 2 of 10 pixels too far right.
    torch.testing.assert_close(found.regions.offsets, torch.tensor([[0.0, 0, 0, 0], [-0.2, 0, 0, 0]]))
    assert found.regions.near.tolist() == [[20, 30], [20, 32]]
    assert found.regions.near_labels.tolist() == [1, 1]
    assert found.feature_norm == pytest.approx((20 + 22 + 23 + 24 + 26 + 0) / 6)
