import math
from typing import Any

import pytest
import torch
from detections import nms
from torch import Tensor
from torchvision.ops import box_iou

from leyden.detection.boxes.soft_nms import soft_nms
from leyden.detection.rcnn import RCNN
from leyden.detection.ssd import SSD

SIX = torch.tensor([[0.0, 0, 10, 10], [2.0, 0, 12, 10], [100.0, 0, 110, 10]])  # the first two overlap by 2/3
TWO_THIRDS = 80 / 120


def crowded(count: int, classes: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    low, size = torch.rand(2, count, classes, 2, generator=generator) * 30
    boxes = torch.cat([low, low + size + 5], 2)
    return boxes, torch.rand(count, classes, generator=generator, dtype=torch.float64).float()


def as_published(boxes: Tensor, scores: Tensor, least: float, iou: float, kind: str, sigma: float) -> list[tuple]:
    """Figure 2 of the paper for one class, line by line: (score, number of the box), in the order of choice."""
    left = dict(enumerate(scores.tolist()))
    overlap = box_iou(boxes, boxes)
    kept = []
    while left:
        best = max(left, key=left.__getitem__)
        kept.append((left.pop(best), best))
        for i in left:
            o = overlap[best, i].item()
            if kind == "gaussian":
                left[i] *= math.exp(-(o**2) / sigma)
            elif kind == "linear":
                left[i] *= 1 - o if o >= iou else 1
            else:
                left[i] *= 0 if o >= iou else 1
        left = {i: score for i, score in left.items() if score > least}
    return kept


@pytest.mark.parametrize(
    ("kind", "factor"), [("linear", 1 - TWO_THIRDS), ("gaussian", math.exp(-(TWO_THIRDS**2) / 0.5))]
)
def test_what_overlaps_scores_less_by_the_papers_factor(kind: str, factor: float) -> None:
    scores = torch.tensor([[0.6], [0.9], [0.7]])
    found = nms(SIX, scores, 0.01, 0.5, 400, 200, kind)
    torch.testing.assert_close(found["scores"], torch.tensor([0.9, 0.7, 0.6 * factor]))
    assert torch.equal(found["boxes"], SIX[[1, 2, 0]])
    assert found["labels"].tolist() == [0, 0, 0]


def test_linear_has_a_threshold_gaussian_none() -> None:
    scores = torch.tensor([[0.6], [0.9], [0.7]])
    assert nms(SIX, scores, 0.01, 0.7, 400, 200, "linear")["scores"].tolist() == pytest.approx([0.9, 0.7, 0.6])
    first, second = (nms(SIX, scores, 0.01, iou, 400, 200, "gaussian")["scores"] for iou in (0.1, 0.9))
    assert torch.equal(first, second)
    gentle = nms(SIX, scores, 0.01, 0.5, 400, 200, "gaussian", sigma=1e6)["scores"]
    assert gentle.tolist() == pytest.approx([0.9, 0.7, 0.6], abs=1e-5)


@pytest.mark.parametrize("kind", ["hard", "linear", "gaussian"])
@pytest.mark.parametrize("candidates", [None, 60, 20])
def test_each_class_is_suppressed_as_published(kind: str, candidates: int | None) -> None:
    boxes, scores = crowded(60, 4)
    found = nms(boxes, scores, 0.05, 0.4, candidates, 10_000, kind, 0.3)
    assert (found["scores"].diff() <= 0).all()
    for label in range(4):
        order = scores[:, label].argsort(descending=True)[:candidates]
        own = order[scores[order, label] > 0.05]
        expected = as_published(boxes[own, label], scores[own, label], 0.05, 0.4, kind, 0.3)
        expected.sort(reverse=True)
        mine = found["labels"] == label
        assert len(expected) > 3
        torch.testing.assert_close(found["scores"][mine], torch.tensor([score for score, _ in expected]))
        torch.testing.assert_close(found["boxes"][mine], boxes[own[[place for _, place in expected]], label])
    assert len(nms(boxes, scores, 0.05, 0.4, candidates, 7, kind)["labels"]) == 7


@pytest.mark.parametrize("kind", ["linear", "gaussian"])
def test_degenerate_boxes_give_no_nan(kind: str) -> None:
    nothing = nms(torch.zeros(0, 4), torch.zeros(0, 3), 0.01, 0.45, None, 200, kind)
    assert [len(part) for part in nothing.values()] == [0, 0, 0]
    assert len(nms(torch.ones(5, 4), torch.zeros(5, 2), 0.01, 0.45, 400, 200, kind)["labels"]) == 0
    flat = torch.tensor([[3.0, 3, 3, 9]]).repeat(2, 1)
    assert nms(flat, torch.full((2, 1), 0.5), 0.01, 0.45, 400, 200, kind)["scores"].tolist() == [0.5, 0.5]
    same = nms(SIX[[0, 0]], torch.tensor([[0.5], [0.5]]), 0.01, 0.45, 400, 200, kind)["scores"]
    assert same.tolist() == pytest.approx([0.5] if kind == "linear" else [0.5, 0.5 * math.exp(-2)])


def test_scores_fall_within_their_class_only() -> None:
    boxes, scores = crowded(40, 3)
    boxes, scores = boxes.transpose(0, 1), scores.T
    left = soft_nms(boxes, scores, 0.0, 0.4)
    assert (left <= scores).all()
    assert torch.equal(left.max(1).values, scores.max(1).values)  # the best of a class keeps its score
    for label in range(3):
        alone = soft_nms(boxes[label][None], scores[label][None], 0.0, 0.4)
        torch.testing.assert_close(alone[0], left[label])


@pytest.mark.parametrize(("kind", "count"), [("hard", 1), ("linear", 2), ("gaussian", 2)])
def test_detectors_suppress_by_their_options(kind: str, count: int) -> None:
    small: dict[str, Any] = {"class_names": ["a"], "channels": 3, "image_size": 64, "nms": kind, "nms_iou": 0.5}
    for model in (SSD(**small, widths=[8] * 5, blocks=[0] * 5), RCNN(**small, widths=[8] * 3, blocks=[0] * 3)):
        assert model.hparams["nms"] == kind
        [found] = model.nms([SIX[:2]], [torch.tensor([[0.9], [0.8]])])
        assert len(found["scores"]) == count


@pytest.mark.parametrize("wrong", [{"nms": "soft"}, {"nms_sigma": 0.0}])
def test_other_methods_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="there are hard, linear, gaussian, and sigma is above 0"):
        SSD(["a"], 3, 64, **wrong)
