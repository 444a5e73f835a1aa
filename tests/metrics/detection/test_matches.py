import pytest
import torch
from detections import prediction, random_scenes, target
from torchvision.ops import box_iou

from leyden.metrics.detection.matches import IGNORED, NOTHING, match_detections, missed, overlaps

A, B, FAR = [0.0, 0, 100, 100], [30.0, 0, 130, 100], [300.0, 300, 400, 400]


def test_overlaps_equal_torchvision_and_coco_crowds():
    predictions, targets = random_scenes(0)
    for detections, objects in zip(predictions, targets, strict=True):
        expected = box_iou(detections["boxes"].double(), objects["boxes"].double())
        torch.testing.assert_close(overlaps(detections["boxes"], objects["boxes"]), expected)
    boxes, others = torch.tensor([[0.0, 0, 40, 40], [-40.0, 0, 40, 10]]), torch.tensor([A, A])
    crowd = overlaps(boxes, others, torch.tensor([False, True]))
    assert crowd[:, 1].tolist() == pytest.approx([1, 0.5])
    assert crowd[0, 0].item() == pytest.approx(0.16)
    assert overlaps(torch.ones(1, 4), torch.ones(1, 4)).tolist() == [[0]]


def test_highest_score_takes_the_best_object():
    detections = prediction(([14.0, 0, 114, 100], 0.7), (A, 0.9), (A, 0.8), (FAR, 0.6))
    # A goes to the surest; the next has only B left, at 0.54; the third finds nothing free.
    assert match_detections(detections, target(A, B)).tolist() == [NOTHING, 0, 1, NOTHING]
    assert match_detections(detections, target(A, B), 0.6).tolist() == [1, 0, NOTHING, NOTHING]
    assert missed(target(A, B, FAR), match_detections(detections, target(A, B, FAR))).tolist() == [
        False,
        False,
        False,
    ]


def test_class_must_match_unless_any():
    detections, objects = prediction((A, 0.9), labels=[1]), target(A)
    assert match_detections(detections, objects).tolist() == [NOTHING]
    assert missed(objects, match_detections(detections, objects)).tolist() == [True]
    assert match_detections(detections, objects, by_class=False).tolist() == [0]


def test_difficult_and_crowds_are_neither():
    objects = target(A, FAR, difficult=[True, False], crowd=[False, True])
    inside = [310.0, 310, 330, 330]
    detections = prediction((A, 0.9), (A, 0.8), (inside, 0.7), ([0.0, 0, 40, 40], 0.6))
    assert match_detections(detections, objects).tolist() == [IGNORED, IGNORED, IGNORED, NOTHING]
    assert missed(objects, match_detections(detections, objects)).tolist() == [False, False]
    # What is free comes first, even if the crowd is nearer.
    assert match_detections(prediction((A, 0.9)), target(A, B, crowd=[True, False]), 0.5).tolist() == [1]


def test_nothing_on_either_side():
    assert match_detections(prediction(), target(A)).tolist() == []
    assert match_detections(prediction((A, 0.9)), target()).tolist() == [NOTHING]
    assert missed(target(), torch.tensor([NOTHING])).tolist() == []


@pytest.mark.parametrize("spared", [0.0, 0.2])
def test_each_object_is_found_once(spared: float):
    for seed in range(30):
        for detections, objects in zip(*random_scenes(seed, images=5, whole=True, spared=spared), strict=True):
            found = match_detections(detections, objects)
            hits = found[found >= 0]
            assert len(hits.unique()) == len(hits)
            shared = overlaps(detections["boxes"], objects["boxes"])
            shared[detections["labels"][:, None] != objects["labels"]] = 0
            assert (shared[found >= 0, hits] >= 0.5).all()
            assert (shared[found == NOTHING][:, missed(objects, found)] < 0.5).all()
