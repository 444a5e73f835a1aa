import torch
from torchvision.models.detection._utils import SSDMatcher

from leyden.detection.boxes.matching import bipartite, match_priors

YES = torch.ones(1, 2, dtype=torch.bool)


def greedy(iou: torch.Tensor) -> list[int]:
    """The textbook's loop: the best pair of all, then the best pair of what is left."""
    left, match = iou.clone(), [-1] * len(iou)
    while left.max() > 0:
        thing, prior = divmod(int(left.argmax()), left.shape[1])
        match[thing] = prior
        left[thing], left[:, prior] = 0, 0
    return match


def test_same_best_prior_leaves_both_one():
    iou = torch.tensor([[[0.9, 0.3, 0.0], [0.8, 0.2, 0.1]]])
    assert bipartite(iou, YES).tolist() == [[0, 1]]
    # torchvision's matcher, like many, loses the first object here.
    assert set(match_priors(iou, YES)[0].tolist()) == {0, 1, -1}
    assert set(SSDMatcher(0.5)(iou[0]).tolist()) == {1, -1}


def test_bipartite_is_the_greedy_loop():
    generator = torch.Generator().manual_seed(1)
    iou = torch.rand(20, 6, 9, generator=generator)
    # Few columns are liked by all, so that objects are often refused.
    iou[..., :3] += 1
    real = torch.rand(20, 6, generator=generator) < 0.8
    match = bipartite(iou, real)
    for i in range(20):
        assert match[i, real[i]].tolist() == greedy(iou[i, real[i]])
        assert (match[i, ~real[i]] == -1).all()


def test_more_objects_than_priors_leave_the_worst_without():
    iou = torch.tensor([[[0.5], [0.7]]])
    assert bipartite(iou, YES).tolist() == [[-1, 0]]


def test_an_object_that_overlaps_nothing_is_not_matched():
    assert bipartite(torch.tensor([[[0.0, 0.0], [0.2, 0.0]]]), YES).tolist() == [[-1, 0]]


def test_priors_match_best_overlap():
    iou = torch.tensor([[[0.55, 0.9, 0.5, 0.1, 0.51], [0.6, 0.2, 0.3, 0.05, 0.3]]])
    # Prior 2 reaches the threshold but does not pass it; prior 0 is object 1's best.
    assert match_priors(iou, YES, 0.5).tolist() == [[1, 0, -1, -1, 0]]


def test_padding_is_never_matched():
    iou = torch.tensor([[[0.9, 0.9], [1.0, 1.0]]])
    assert match_priors(iou, torch.tensor([[True, False]])).max() == 0
    assert (match_priors(iou, torch.zeros(1, 2, dtype=torch.bool)) == -1).all()


def test_matching_without_conflict_is_torchvisions():
    generator = torch.Generator().manual_seed(2)
    for _ in range(50):
        iou = torch.rand(3, 40, generator=generator)
        if len(iou.argmax(1).unique()) == 3:
            ours = match_priors(iou[None], torch.ones(1, 3, dtype=torch.bool))[0]
            assert ours.tolist() == [max(-1, i) for i in SSDMatcher(0.5)(iou).tolist()]
