import torch
from detections import prediction, random_scenes, target

from leyden.metrics.detection.confusion import detection_confusion

A, FAR = [0.0, 0, 100, 100], [300.0, 300, 400, 400]


def test_right_wrong_false_and_missed_by_hand():
    detections = prediction((A, 0.9), (FAR, 0.8), ([500.0, 0, 600, 100], 0.7), labels=[0, 1, 1])
    objects = target(A, FAR, [700.0, 0, 800, 100], labels=[0, 0, 1])
    # FAR was taken for class 1; something of class 1 is nowhere; the last object was not seen.
    assert detection_confusion([detections], [objects], 2).tolist() == [[1, 1, 0], [0, 0, 1], [0, 1, 0]]


def test_only_sure_answers_count():
    detections, objects = prediction((A, 0.9), (FAR, 0.3)), target(A, FAR)
    assert detection_confusion([detections], [objects], 1).tolist() == [[1, 1], [0, 0]]
    assert detection_confusion([detections], [objects], 1, score=0.3).tolist() == [[2, 0], [0, 0]]


def test_detections_on_difficult_or_crowds_are_left_out():
    detections = prediction((A, 0.9), ([310.0, 310, 330, 330], 0.8), labels=[1, 1])
    objects = target(A, FAR, difficult=[True, False], crowd=[False, True])
    assert detection_confusion([detections], [objects], 2).sum() == 0


def test_every_object_and_detection_counts_once():
    for seed in range(20):
        predictions, targets = random_scenes(seed)
        matrix = detection_confusion(predictions, targets, 3, score=0.4)
        objects = torch.cat([t["labels"] for t in targets]).bincount(minlength=3)
        detections = torch.cat([a["labels"][a["scores"] >= 0.4] for a in predictions]).bincount(minlength=3)
        assert matrix[:3].sum(1).tolist() == objects.tolist()
        assert matrix[:, :3].sum(0).tolist() == detections.tolist()
        assert matrix[3, 3] == 0


def test_an_empty_set():
    assert detection_confusion([], [], 2).tolist() == [[0] * 3] * 3
    assert detection_confusion([prediction()], [target()], 2).sum() == 0
