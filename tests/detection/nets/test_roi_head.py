import pytest
import torch
from detections import nms
from detections import target as truth
from torch import nn
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.roi_heads import fastrcnn_loss
from torchvision.ops import box_convert, box_iou, roi_pool
from torchvision.ops.poolers import LevelMapper

from leyden.detection.boxes.box_coder import encode
from leyden.detection.boxes.roi_sampling import SampledRoIs
from leyden.detection.nets.backbone_features import BackboneOptions
from leyden.detection.nets.fpn import RegionFeatures
from leyden.detection.nets.roi_head import (
    RoIHead,
    RoIOutputs,
    multitask_loss,
    pool_rois,
    pyramid_level,
    truncate_svd,
)

NOTHING = truth()


def boxes(count: int, seed: int = 0, side: float = 64.0) -> torch.Tensor:
    low, size = torch.rand(2, count, 2, generator=torch.Generator().manual_seed(seed)) * side / 2
    return torch.cat([low, low + size + 2], 1).clamp(max=side)


def detections(
    head: RoIHead, outputs: RoIOutputs, score_threshold: float, iou: float, keep: int
) -> list[dict[str, torch.Tensor]]:
    pairs = zip(*head.decode(outputs, 64), strict=True)
    return [nms(*pair, score_threshold, iou, None, keep) for pair in pairs]


def test_the_loss_is_torchvisions_on_the_same_logits():
    generator = torch.Generator().manual_seed(0)
    logits, offsets = torch.randn(30, 4, generator=generator), torch.randn(30, 3, 4, generator=generator)
    classes = torch.randint(4, (30,), generator=generator)
    targets = torch.randn(30, 4, generator=generator)
    whole = torch.cat([torch.zeros(30, 1, 4), offsets], 1).flatten(1)  # theirs has offsets for background too
    expected = fastrcnn_loss(logits, whole, [classes], [targets])
    for ours, theirs in zip(multitask_loss(logits, offsets, classes, targets, beta=1 / 9), expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_multitask_loss_zero_without_objects_or_rois():
    logits, offsets = torch.randn(6, 4, requires_grad=True), torch.randn(6, 3, 4, requires_grad=True)
    entropy, box = multitask_loss(logits, offsets, torch.zeros(6, dtype=torch.int64), torch.randn(6, 4))
    (entropy + box).backward()
    assert box.item() == 0
    assert entropy.item() > 0
    assert offsets.grad.abs().max() == 0
    none = multitask_loss(logits[:0], offsets[:0], torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4))
    assert [part.item() for part in none] == [0, 0]


def test_targets_coded_like_torchvision_normalised_by_class():
    head = RoIHead(4, [8], 3, 2, (8, 8))
    rois, objects = boxes(20), boxes(20, seed=1)
    classes = torch.arange(20) % 4
    offsets = torch.randn(20, 3, 4)
    outputs = RoIOutputs(rois, [20], torch.zeros(20, 4), offsets)
    coded = BoxCoder((10.0, 10.0, 5.0, 5.0)).encode_single(objects, rois)  # divided by 0.1, 0.1, 0.2, 0.2
    expected = multitask_loss(outputs.logits, offsets, classes, coded)
    torch.testing.assert_close(head.loss(outputs, SampledRoIs([rois], classes, objects)), expected)

    head.mean.copy_(torch.randn(3, 4))
    head.std.copy_(torch.rand(3, 4) + 0.5)
    known = (classes - 1).clamp(min=0)
    coded = BoxCoder((1.0, 1.0, 1.0, 1.0)).encode_single(objects, rois)
    expected = multitask_loss(outputs.logits, offsets, classes, (coded - head.mean[known]) / head.std[known])
    torch.testing.assert_close(head.loss(outputs, SampledRoIs([rois], classes, objects)), expected)


def test_perfect_offsets_decode_to_targets():
    head = RoIHead(4, [8], 3, 2, (8, 8))
    head.mean.copy_(torch.randn(3, 4))
    head.std.copy_(torch.rand(3, 4) + 0.5)
    rois, objects, labels = boxes(8), boxes(8, seed=1), torch.arange(8) % 3
    coded = encode(objects, box_convert(rois, "xyxy", "cxcywh"), (1.0, 1.0))
    offsets = torch.zeros(8, 3, 4)
    offsets[torch.arange(8), labels] = (coded - head.mean[labels]) / head.std[labels]
    outputs = RoIOutputs(rois, [5, 3], 20 * nn.functional.one_hot(labels + 1, 4).float(), offsets)
    torch.testing.assert_close(head.boxes(outputs)[torch.arange(8), labels], objects, atol=1e-3, rtol=1e-4)
    first, second = detections(head, outputs, 0.5, 1.0, 100)
    assert len(first["boxes"]) == 5
    assert len(second["boxes"]) == 3
    # All are equally sure, so the order may be any.
    for found, part in ((first, slice(0, 5)), (second, slice(5, 8))):
        order = box_iou(objects[part], found["boxes"]).argmax(1)
        torch.testing.assert_close(found["boxes"][order], objects[part], atol=1e-3, rtol=1e-4)
        assert torch.equal(found["labels"][order], labels[part])


def test_detections_clipped_sorted_suppressed_limited():
    head = RoIHead(4, [8], 2, 2, (8, 8))
    rois = torch.tensor([[0.0, 0, 40, 40], [1, 0, 41, 40], [0, 0, 40, 40], [60, 60, 80, 80], [60, 60, 80, 80]])
    scores = torch.tensor([[0.1, 0.8, 0.1], [0.3, 0.6, 0.1], [0.1, 0.2, 0.7], [0.03, 0.96, 0.01], [0.98, 0.01, 0.01]])
    outputs = RoIOutputs(rois, [5, 0], scores.log(), torch.zeros(5, 2, 4))
    found, nothing = detections(head, outputs, 0.15, 0.45, 10)
    assert found["labels"].tolist() == [0, 0, 1]
    torch.testing.assert_close(found["scores"], torch.tensor([0.96, 0.8, 0.7]))
    assert found["boxes"].tolist() == [[60, 60, 64, 64], [0, 0, 40, 40], [0, 0, 40, 40]]
    assert {key: len(value) for key, value in nothing.items()} == {"boxes": 0, "labels": 0, "scores": 0}
    assert detections(head, outputs, 0.15, 0.45, 1)[0]["labels"].tolist() == [0]


def test_roi_pooling_takes_each_windows_maximum():
    ramp = torch.arange(64.0).view(1, 1, 8, 8)
    rois = torch.tensor([[0.0, 0, 31, 31], [32, 32, 63, 63]])
    pooled = pool_rois([torch.cat([ramp, -ramp])], rois, torch.tensor([0, 1]), [8], 2)
    # Cells 0 to 4 of 8 (31 / 8 rounded, inclusive), in windows of two and a half.
    assert pooled[0, 0].tolist() == [[18, 20], [34, 36]]
    assert pooled[1, 0].tolist() == [[-36, -38], [-52, -54]]


def test_pyramid_levels_are_torchvisions():
    rois = torch.cat([boxes(40, side=1600), torch.tensor([[0.0, 0, 112, 112], [0, 0, 111.9, 111.9], [0, 0, 9, 9]])])
    expected = LevelMapper(2, 5)([rois])
    assert set(expected.tolist()) == {0, 1, 2, 3}
    assert torch.equal(pyramid_level(rois, [4, 8, 16, 32]), expected)

    maps = [torch.randn(2, 3, 1600 // stride, 1600 // stride) for stride in (4, 8, 16, 32)]
    image = torch.arange(len(rois)) % 2
    pooled = pool_rois(maps, rois, image, [4, 8, 16, 32], 3)
    for i, level in enumerate(expected.tolist()):
        own = torch.cat([image[i, None].float(), rois[i]])[None]
        torch.testing.assert_close(pooled[i], roi_pool(maps[level], own, 3, 1 / 2 ** (2 + level))[0])


def test_truncated_svd_has_least_error():
    layer = nn.Linear(30, 20)
    x = torch.randn(50, 30)
    with torch.no_grad():
        torch.testing.assert_close(truncate_svd(layer, 20)(x), layer(x), atol=1e-5, rtol=1e-5)
    values = torch.linalg.svdvals(layer.weight.detach())
    for rank in (1, 7, 19):
        first, second = truncate_svd(layer, rank)
        assert first.weight.numel() + second.weight.numel() == rank * (20 + 30)
        assert first.bias is None
        error = (second.weight @ first.weight - layer.weight).norm()
        torch.testing.assert_close(error, values[rank:].norm())  # Eckart and Young 1936
    with pytest.raises(ValueError, match=r"\(20, 30\) has ranks 1 to 20"):
        truncate_svd(layer, 21)


def test_vgg16s_two_layers_shrink_as_in_the_paper():
    with torch.device("meta"):
        head = RoIHead(512, [16], 20)
        before = head.fc6.weight.numel()
        six = truncate_svd(head.fc6, 1024)
    assert before == 102_760_448
    assert sum(p.numel() for p in six.parameters() if p.dim() == 2) == 29_884_416


def test_a_head_is_compressed_and_whole_again():
    head = RoIHead(4, [8], 3, 2, (12, 8)).eval()
    maps, rois = [torch.randn(2, 4, 8, 8)], [boxes(5), boxes(3, seed=1)]
    whole, keys = head(maps, rois), set(head.state_dict())
    head.compress([12, 8])
    torch.testing.assert_close(head(maps, rois).logits, whole.logits, atol=1e-5, rtol=1e-4)
    head.compress([1, 1])
    assert (head(maps, rois).logits - whole.logits).abs().max() > 1e-4
    head.restore()
    assert torch.equal(head(maps, rois).logits, whole.logits)
    assert set(head.state_dict()) == keys
    with pytest.raises(ValueError, match=r"model.svd=\[3\]: give two ranks, for fc6 and for fc7"):
        head.compress([3])


def test_head_loads_fitting_vgg_layers():
    state = {
        f"classifier.{i}.{key}": torch.randn(8, *rest) for i in (0, 3) for key, rest in (("weight", (8,)), ("bias", ()))
    }
    state["classifier.0.weight"] = torch.randn(8, 16)
    head = RoIHead(4, [8], 3, 2, (8, 8))
    head.load_pretrained(state)
    assert torch.equal(head.fc6.weight, state["classifier.0.weight"])
    assert torch.equal(head.fc7.bias, state["classifier.3.bias"])
    other = RoIHead(4, [8], 3, 3, (8, 8))
    before = other.fc6.weight.clone()
    other.load_pretrained(state)
    assert torch.equal(other.fc6.weight, before)
    assert torch.equal(other.fc7.weight, state["classifier.3.weight"])


def test_vgg_features_before_last_pooling():
    with torch.device("meta"):
        vgg = RegionFeatures(BackboneOptions(backbone="vgg16", frozen_stages=2), 3, 608, [16])
    assert (vgg.width, vgg.sizes, vgg.strides) == (512, [38], [16])
    assert sum(p.numel() for p in vgg.parameters()) == 14_714_688  # all 13 convolutions
    assert [p.requires_grad for p in vgg.parameters()] == [False] * 8 + [True] * 18  # conv1 and conv2: two layers each
    assert sum(isinstance(part, nn.MaxPool2d) for part in vgg.modules()) == 4


def test_pyramid_maps_share_one_width():
    maps = RegionFeatures(BackboneOptions(widths=[8, 16, 16], blocks=[0, 0, 0]), 3, 64, [8, 16], pyramid=True, width=12)
    given = maps(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
    assert [tuple(x.shape) for x in given] == [(2, 12, 8, 8), (2, 12, 4, 4)]
    with pytest.raises(ValueError, match=r"one map has one stride, got model.strides=\[8, 16\]"):
        RegionFeatures(BackboneOptions(), 3, 64, [8, 16])
    with pytest.raises(ValueError, match=r"built for images \(3, 64, 64\), got \(3, 96, 96\)"):
        maps(torch.zeros(1, 3, 96, 96, dtype=torch.uint8))
