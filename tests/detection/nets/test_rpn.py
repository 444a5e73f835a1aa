import math

import pytest
import torch
from detections import target as truth
from torch import nn
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops import box_convert, box_iou

from leyden.detection.boxes.batch import pad_targets
from leyden.detection.boxes.box_coder import encode
from leyden.detection.nets.rpn import RPN, label_anchors, rpn_loss

SMALL = {"hidden": 8, "anchors": 32, "before_nms": (200, 100), "after_nms": (50, 20), "min_box_size": 2.0}
NOTHING = truth()


def rpn(**more) -> RPN:
    given = {"strides": [8], "sizes": [8], "scales": [0.2, 0.4], "ratios": [0.5, 1.0, 2.0]}
    return RPN(6, 64, **(given | SMALL | more))


def scene(seed: int, count: int) -> dict[str, torch.Tensor]:
    low, size = torch.rand(2, count, 2, generator=torch.Generator().manual_seed(seed)) * 32
    return {"boxes": torch.cat([low, low + size + 2], 1), "labels": torch.zeros(count, dtype=torch.int64)}


def labels_of(model: RPN, targets: list, high: float = 0.7, low: float = 0.3):
    objects = pad_targets(targets)
    return label_anchors(box_iou(objects.boxes, model.corners[None]), objects.valid, model.trainable, high, low)


def test_labels_are_those_of_torchvisions_matcher():
    model, targets = rpn(scales=[0.25, 0.5]), [scene(i, n) for i, n in enumerate([3, 1, 6, 0, 2])]
    # An object of an anchor's own size in the middle between two: both overlap it most, by 12 / 20.
    tied = model.corners.view(8, 8, 6, 4)[3, 3, 2] + torch.tensor([4.0, 0, 4, 0])
    targets.append({"boxes": tied[None], "labels": torch.zeros(1, dtype=torch.int64)})
    labels, match = labels_of(model, targets)
    assert ((labels[-1] == 1) & (box_iou(model.corners, tied[None])[:, 0] < 0.7)).sum() == 2
    for own, thing, target in zip(labels, match, targets, strict=True):
        if len(target["labels"]) == 0:
            assert not own.any()
            continue
        theirs = Matcher(0.7, 0.3, True)(box_iou(target["boxes"], model.corners))
        assert torch.equal(own == 1, theirs >= 0)
        assert torch.equal(own == 0, theirs == -1)
        assert torch.equal(own == -1, theirs == -2)
        assert torch.equal(thing[own == 1], theirs[theirs >= 0])


def test_an_object_that_no_anchor_overlaps_gets_none():
    labels, _ = labels_of(rpn(), [truth([500.0, 500, 510, 510])])
    assert not labels.any()


def test_object_at_border_has_best_anchor_inside():
    model = RPN(6, 600, [16], [38], [128 / 600, 256 / 600, 512 / 600], [0.5, 1, 2], inside_only=True, hidden=8)
    generator = torch.Generator().manual_seed(0)
    sides = 40 + 80 * torch.rand(400, 2, generator=generator)
    top = (600 - sides[:, 1]) * torch.rand(400, generator=generator)
    left = torch.zeros(400)
    boxes = torch.stack([left, top, sides[:, 0], top + sides[:, 1]], 1)
    inside = ((model.corners >= 0) & (model.corners <= 600)).all(1)
    overlapped = box_iou(boxes, model.corners[inside]).amax(1)
    assert (overlapped > 0).sum() > 390
    labels, _ = labels_of(model, [truth(box.tolist()) for box in boxes])
    for own, box, best in zip(labels, boxes, overlapped, strict=True):
        # The authors' order: anchors across the border go first, then each object takes the best that is left.
        iou = box_iou(box[None], model.corners)[0]
        expected = inside & (((iou == best) & (best > 0)) | (iou >= 0.7))
        assert torch.equal(own == 1, expected)
        assert torch.equal(own == 0, inside & ~expected & (iou < 0.3))
        assert bool((own == 1).any()) == bool(best > 0)


def test_the_loss_is_torchvisions_on_the_same_logits():
    model, targets = rpn(), [scene(1, 3), scene(2, 1), NOTHING]
    count = len(model.priors)
    generator = torch.Generator().manual_seed(0)
    logits, offsets = torch.randn(3, count, generator=generator), torch.randn(3, count, 4, generator=generator)
    labels, match = labels_of(model, targets)
    sampled = (labels >= 0) & (torch.rand(labels.shape, generator=generator) < 0.3)
    boxes = pad_targets(targets).boxes.gather(1, match[..., None].expand(-1, -1, 4))
    ours = rpn_loss(logits, offsets, labels, encode(boxes, model.priors, (1.0, 1.0)), sampled)

    reference = RegionProposalNetwork.__new__(RegionProposalNetwork)
    nn.Module.__init__(reference)
    reference.fg_bg_sampler = lambda labels: (
        [sampled[i] & (labels[i] > 0) for i in range(3)],
        [sampled[i] & (labels[i] == 0) for i in range(3)],
    )
    coded = BoxCoder((1.0, 1.0, 1.0, 1.0)).encode(list(boxes), [model.corners] * 3)
    theirs = reference.compute_loss(logits.view(-1, 1), offsets.view(-1, 4), list(labels.float()), list(coded))
    for own, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, their)


def test_without_objects_the_box_loss_is_exactly_zero():
    model = rpn()
    logits, offsets = model([torch.randn(2, 6, 8, 8)])
    objectness, box = model.loss(logits, offsets, [NOTHING, NOTHING])
    (objectness + box).backward()
    assert box.item() == 0
    assert objectness.item() == pytest.approx(math.log(2), abs=0.1)
    assert model.offsets.weight.grad.abs().max() == 0


@pytest.mark.parametrize("inside", [False, True])
def test_step_samples_anchors_half_with_objects(inside: bool, monkeypatch: pytest.MonkeyPatch):
    seen = {}

    def keep(logits, offsets, labels, targets, sampled):
        seen.update(labels=labels, sampled=sampled)
        return logits.sum(), offsets.sum()

    monkeypatch.setattr("leyden.detection.nets.rpn.rpn_loss", keep)
    model = rpn(inside_only=inside, thresholds=[0.3, 0.2])
    model.loss(*model([torch.randn(2, 6, 8, 8)]), [scene(1, 6), NOTHING])
    assert seen["sampled"].sum(1).tolist() == [32, 32]
    assert (seen["sampled"] & (seen["labels"] == 1)).sum(1).tolist() == [16, 0]
    beyond = ((model.corners < 0) | (model.corners > 64)).any(1)
    assert bool(seen["sampled"][:, beyond].any()) != inside


def test_anchors_are_ordered_like_outputs():
    model = rpn()
    assert len(model.priors) == 8 * 8 * 6
    square = model.priors.view(8, 8, 6, 4)[..., 2:4, 2:]  # ratio by ratio, two scales each
    torch.testing.assert_close(square[0, 0], torch.tensor([[12.8, 12.8], [25.6, 25.6]]))
    # A weight that answers to one cell alone, in the third anchor's channels.
    x = torch.zeros(1, 6, 8, 8)
    x[0, 0, 5, 2] = 1
    for layer in (model.slide, model.objectness, model.offsets):
        nn.init.zeros_(layer.weight)
    model.slide.weight.data[0, 0, 1, 1] = 1
    model.objectness.weight.data[2, 0] = 1
    model.offsets.weight.data[2 * 4 + 3, 0] = 1
    logits, offsets = model([x])
    assert logits.view(8, 8, 6).nonzero().tolist() == [[5, 2, 2]]
    assert offsets.view(8, 8, 6, 4).nonzero().tolist() == [[5, 2, 2, 3]]


def test_a_pyramid_has_one_scale_for_each_map():
    model = rpn(strides=[8, 16], sizes=[8, 4], scales=[0.2, 0.4])
    assert model.counts == [8 * 8 * 3, 4 * 4 * 3]
    logits, offsets = model([torch.randn(2, 6, 8, 8), torch.randn(2, 6, 4, 4)])
    assert logits.shape == (2, len(model.priors))
    assert offsets.shape == (2, len(model.priors), 4)
    assert model.priors[1, 2:].tolist() == pytest.approx([12.8, 12.8])
    assert model.priors[-2, 2:].tolist() == pytest.approx([25.6, 25.6])
    with pytest.raises(ValueError, match=r"each of several just one: got model.scales=\[0.2, 0.4, 0.6\]"):
        rpn(strides=[8, 16], sizes=[8, 4], scales=[0.2, 0.4, 0.6])
    with pytest.raises(ValueError, match="a map needs a scale"):
        rpn(scales=[])


def test_proposals_are_best_anchors_moved_clipped_suppressed():
    model = rpn(nms_iou=0.7).eval()
    thing = scene(3, 1)["boxes"][0]
    logits = torch.linspace(-1, -2, len(model.priors)).repeat(2, 1)
    offsets = torch.zeros(2, len(model.priors), 4)
    best = int(box_iou(model.corners, thing[None]).argmax())
    logits[0, best] = 5
    offsets[0, best] = encode(thing, model.priors[best], (1.0, 1.0))
    logits.requires_grad_()
    found, other = model.propose(logits, offsets)
    torch.testing.assert_close(found[0], thing, atol=1e-4, rtol=1e-4)
    for boxes in (found, other):
        assert not boxes.requires_grad
        assert len(boxes) <= 20
        assert boxes.min() >= 0
        assert boxes.max() <= 64
        assert (boxes[:, 2:] - boxes[:, :2]).min() >= 2
        assert box_iou(boxes, boxes).fill_diagonal_(0).max() <= 0.7
    # Without moves these are the first anchors, clipped, as far as their like has not come before.
    assert torch.equal(other[0], model.corners[0].clamp(0, 64))


@pytest.mark.parametrize(("training", "before", "after"), [(True, 6, 5), (False, 3, 2)])
def test_proposal_counts_in_training_and_test(training: bool, before: int, after: int):
    model = rpn(before_nms=(6, 3), after_nms=(5, 2), nms_iou=1.0).train(training)
    logits = torch.arange(len(model.priors)).flip(0)[None].float()
    [found] = model.propose(logits, torch.zeros(1, len(model.priors), 4))
    assert torch.equal(found, model.corners[:after].clamp(0, 64))
    model.after_nms = (100, 100)
    assert len(model.propose(logits, torch.zeros(1, len(model.priors), 4))[0]) == before


def test_small_boxes_are_no_proposals():
    model = rpn(min_box_size=30.0).eval()
    [found] = model.propose(torch.zeros(1, len(model.priors)), torch.zeros(1, len(model.priors), 4))
    sides = model.corners.clamp(0, 64)
    large = (sides[:, 2:] - sides[:, :2]).amin(1) >= 30
    assert not large.any()
    assert len(found) == 0


def test_perfect_logits_and_offsets_propose_every_object():
    model, targets = rpn().eval(), [scene(1, 3), scene(2, 2)]
    labels, match = labels_of(model, targets)
    boxes = pad_targets(targets).boxes.gather(1, match[..., None].expand(-1, -1, 4))
    offsets = torch.where((labels == 1)[..., None], encode(boxes, model.priors, (1.0, 1.0)), 0.0)
    for found, target in zip(model.propose(labels.float(), offsets), targets, strict=True):
        assert box_iou(target["boxes"].clamp(0, 64), found).amax(1).min() > 0.999


def test_priors_and_corners_are_same_boxes():
    model = rpn()
    torch.testing.assert_close(box_convert(model.corners, "xyxy", "cxcywh"), model.priors)
    assert set(model.state_dict()) == {
        f"{part}.{key}" for part in ("slide", "objectness", "offsets") for key in ("weight", "bias")
    }
