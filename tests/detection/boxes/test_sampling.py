import pytest
import torch
from detections import target as truth
from torchvision.models.detection._utils import BalancedPositiveNegativeSampler

from leyden.detection.boxes.roi_sampling import label_rois, sample_rois
from leyden.detection.boxes.sampling import sample

NOTHING = truth()


def test_sample_has_a_quarter_of_objects():
    classes = torch.tensor([[0, 0, 0, 2, 0, 3, 0, 0, 1]])  # six of background, three objects
    for seed in range(20):
        torch.manual_seed(seed)
        sampled = sample(classes, 4, 0.25)
        assert ((classes > 0) & sampled).sum() == 1
        assert ((classes == 0) & sampled).sum() == 3


@pytest.mark.parametrize(("objects", "background"), [(3, 6), (40, 40), (40, 2), (0, 5), (0, 0)])
def test_a_sample_has_as_many_as_torchvisions(objects: int, background: int):
    classes = torch.tensor([1] * objects + [0] * background + [-1] * 7)[torch.randperm(objects + background + 7)]
    sampled = sample(classes[None], 16, 0.5)[0]
    positive, negative = BalancedPositiveNegativeSampler(16, 0.5)([classes])
    assert sampled[classes > 0].sum() == positive[0].sum()
    assert sampled[classes == 0].sum() == negative[0].sum()
    assert not sampled[classes < 0].any()


def test_sampling_is_uniform_and_seeded():
    torch.manual_seed(0)
    often = sample(torch.zeros(4000, 8, dtype=torch.int64), 2, 0.5).float().mean(0)
    torch.testing.assert_close(often, torch.full((8,), 0.25), atol=0.03, rtol=0)
    classes = torch.zeros(1, 100, dtype=torch.int64)
    samples = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        samples.append(sample(classes, 10, 0.5))
    assert torch.equal(samples[0], samples[1])
    assert not torch.equal(samples[0], samples[2])


def test_roi_labels_by_overlap():
    target = truth([0.0, 0, 10, 10], [20.0, 20, 30, 30], labels=[4, 2])
    rois = torch.tensor(
        [[0.0, 0, 10, 5], [0, 0, 10, 4.9], [20, 20, 30, 30], [0, 0, 10, 1], [0, 0, 10, 0.9], [50, 50, 60, 60]]
    )
    classes, objects = label_rois(rois, target, 0.5, (0.1, 0.5))
    assert classes.tolist() == [5, 0, 3, 0, -1, -1]
    assert torch.equal(objects[:4], target["boxes"][[0, 0, 1, 0]])
    assert label_rois(rois, target, 0.5, (0.0, 0.5))[0].tolist() == [5, 0, 3, 0, 0, 0]
    classes, objects = label_rois(rois, NOTHING, 0.5, (0.1, 0.5))
    assert classes.tolist() == [0] * 6
    assert torch.equal(objects, rois)


def test_objects_are_rois_without_gradient():
    targets = [truth([0.0, 0, 10, 10], labels=[1]), truth([5.0, 5, 25, 25], labels=[0]), NOTHING]
    proposals = [
        torch.tensor([[40.0, 40, 50, 50], [0, 0, 10, 4]]),
        torch.zeros(0, 4),
        torch.tensor([[1.0, 1, 9, 9]]),
    ]
    proposals = [part.requires_grad_() for part in proposals]
    sampled = sample_rois(proposals, targets, 64, 0.25, 0.5, (0.1, 0.5))
    # The first proposal is neither.
    assert [len(part) for part in sampled.proposals] == [2, 1, 1]
    assert sampled.classes.tolist() == [2, 0, 1, 0]
    assert torch.equal(sampled.proposals[0], torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 4]]))
    assert not any(part.requires_grad for part in (*sampled.proposals, sampled.boxes))
