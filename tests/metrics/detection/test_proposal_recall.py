import pytest
import torch
from detections import random_scenes, target

from leyden.metrics.detection.matches import overlaps
from leyden.metrics.detection.proposal_recall import proposal_recall

A, FAR = [0.0, 0, 100, 100], [300.0, 300, 400, 400]


def test_recall_grows_with_the_proposals_by_hand():
    near = [0.0, 0, 100, 80]  # IoU 0.8 with A
    proposals = [torch.tensor([[500.0, 0, 600, 100], near, A, FAR]), torch.zeros(0, 4)]
    recall = proposal_recall(proposals, [target(A, FAR), target(A)], [1, 2, 3, 4, 1000], [0.5, 0.9])
    torch.testing.assert_close(recall, torch.tensor([[0, 0], [1, 0], [1, 1], [2, 2], [2, 2]]).double() / 3)


def test_difficult_objects_and_crowds_do_not_count():
    objects = target(A, FAR, A, difficult=[True, False, False], crowd=[False, False, True])
    assert proposal_recall([torch.tensor([FAR])], [objects], [1]).tolist() == [[1]]
    assert proposal_recall([torch.tensor([FAR])], [target(A, crowd=[True])], [1]).isnan().all()
    assert proposal_recall([], [], [1, 2]).isnan().all()


def test_it_is_the_loop_over_objects():
    for seed in range(20):
        predictions, targets = random_scenes(seed)
        proposals = [a["boxes"] for a in predictions]
        found = proposal_recall(proposals, targets, [1, 3, 10], [0.5, 0.7])
        for i, count in enumerate([1, 3, 10]):
            for j, iou in enumerate([0.5, 0.7]):
                best = [
                    float(overlaps(boxes[:count], box[None]).max()) if len(boxes) else 0.0
                    for boxes, objects in zip(proposals, targets, strict=True)
                    for box in objects["boxes"]
                ]
                assert found[i, j].item() == pytest.approx(sum(value >= iou for value in best) / len(best))


def test_no_count_below_one():
    with pytest.raises(ValueError, match="1 and more"):
        proposal_recall([], [], [0, 10])
