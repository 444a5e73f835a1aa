import pytest
import torch
from smallest import values_of
from torch import nn
from torchvision.models.detection import ssd300_vgg16
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.ssd import SSD as TorchvisionSSD  # noqa: N811 - the reference
from torchvision.ops import box_convert, box_iou

from leyden.detection.boxes.batch import pad_targets
from leyden.detection.boxes.matching import match_priors
from leyden.detection.evaluation.evaluator import Examples
from leyden.detection.nets.backbone_features import BackboneOptions
from leyden.detection.nets.ssd import SSDNet
from leyden.detection.nets.ssd_vgg import L2Norm
from leyden.detection.ssd import SSD, ssd_loss

VGG16 = BackboneOptions(backbone="vgg16")
FACTS = {"class_names": list("abc"), "channels": 3, "image_size": 64}
TINY = {"widths": [8, 16, 16, 16, 16], "blocks": [0, 0, 0, 0, 0]}
NOTHING = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}


def truth(seed: int, count: int, side: float = 64.0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    low, size = torch.rand(2, count, 2, generator=generator) * side / 2
    labels = torch.randint(3, (count,), generator=generator)
    return {"boxes": torch.cat([low, low + size + 2], 1), "labels": labels}


def test_loss_is_torchvisions_on_the_same_logits():
    model = SSD(**FACTS, **TINY)
    targets = [truth(i, n) for i, n in enumerate([3, 1, 0, 5])]
    priors = len(model.net.priors)
    generator = torch.Generator().manual_seed(7)
    offsets = torch.randn(4, priors, 4, generator=generator)
    logits = torch.randn(4, priors, 4, generator=generator)
    localisation, confidence = ssd_loss(offsets, logits, *model.assign(targets))

    reference = TorchvisionSSD.__new__(TorchvisionSSD)
    nn.Module.__init__(reference)
    reference.neg_to_pos_ratio = 3
    reference.box_coder = BoxCoder((10.0, 10.0, 5.0, 5.0))
    corners = box_convert(model.net.priors, "cxcywh", "xyxy") * 64
    objects = pad_targets(targets)
    matched = match_priors(box_iou(objects.boxes, corners[None]), objects.valid)
    losses = reference.compute_loss(
        [{"boxes": t["boxes"], "labels": t["labels"] + 1} for t in targets],
        {"bbox_regression": offsets, "cls_logits": logits},
        [corners] * 4,
        list(matched),
    )
    torch.testing.assert_close(localisation, losses["bbox_regression"])
    torch.testing.assert_close(confidence, losses["classification"])


def test_loss_and_gradients_zero_without_objects():
    model = SSD(**FACTS, **TINY)
    offsets, logits = model.net(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
    localisation, confidence = ssd_loss(offsets, logits, *model.assign([NOTHING, NOTHING]))
    (localisation + confidence).backward()
    assert localisation.item() == 0
    assert confidence.item() == 0
    assert all(p.grad.abs().max() == 0 for p in model.net.heads.parameters())


def test_hardest_negatives_of_same_image_count():
    classes = torch.zeros(2, 10, dtype=torch.int64)
    classes[0, 0] = 1
    logits = torch.zeros(2, 10, 2)
    # The second image has no match, so its (hard) negatives do not count; the first has one, so three of nine do.
    logits[0, [4, 5, 6], 1] = torch.tensor([1.0, 2.0, 3.0])
    logits[1, :, 1] = 9
    logits.requires_grad_()
    ssd_loss(torch.zeros(2, 10, 4), logits, torch.zeros(2, 10, 4), classes)[1].backward()
    assert logits.grad[0].abs().sum(1).nonzero().flatten().tolist() == [0, 4, 5, 6]
    assert logits.grad[1].abs().max() == 0


def test_without_mining_all_negatives_count():
    classes = torch.zeros(2, 10, dtype=torch.int64)
    logits = torch.randn(2, 10, 2, generator=torch.Generator().manual_seed(0))
    nothing = torch.zeros(2, 10, 4)
    assert ssd_loss(nothing, logits, nothing, classes, None)[1] == 0  # N = 0
    classes[0, :2] = 1
    confidence = ssd_loss(nothing, logits, nothing, classes, None)[1]
    entropy = nn.functional.cross_entropy(logits.flatten(0, 1), classes.flatten(), reduction="sum")
    torch.testing.assert_close(confidence, entropy / 2)
    first = ssd_loss(nothing[:1], logits[:1], nothing[:1], classes[:1], 4.0)[1]  # 8 of 8: nothing is left to mine
    torch.testing.assert_close(first, ssd_loss(nothing[:1], logits[:1], nothing[:1], classes[:1], None)[1])


def test_perfect_logits_give_the_truth_back():
    model = SSD(**FACTS, **TINY).eval()
    targets = [truth(1, 2), truth(2, 1)]
    offsets, classes = model.assign(targets)
    logits = 20 * nn.functional.one_hot(classes, 4).float()
    offsets = torch.where((classes > 0)[..., None], offsets, 0.0)
    model.net.forward = lambda images: (offsets, logits)
    for found, target in zip(model(torch.zeros(2, 3, 64, 64, dtype=torch.uint8)), targets, strict=True):
        distance = (found["boxes"][:, None] - target["boxes"].clamp(0, 64)).abs().amax(2)
        assert distance.amin(0).max() < 1e-3
        assert (found["labels"] == target["labels"][distance.argmin(1)]).all()


@pytest.mark.parametrize(("classes", "parameters"), [(20, 26_285_486), (90, 35_641_826), (3, 24_013_232)])
def test_ssd300_has_the_published_size(classes: int, parameters: int):
    with torch.device("meta"):
        net = SSDNet(VGG16, 1 + classes, 3, 300)
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert net.priors.shape == (8732, 4)


def test_ssd512_has_the_published_size_and_boxes():
    with torch.device("meta"):
        net = SSDNet(VGG16, 21, 3, 512)
    assert sum(p.numel() for p in net.parameters()) == 27_188_676
    assert net.maps == [(64, 4), (32, 6), (16, 6), (8, 6), (4, 6), (2, 4), (1, 4)]
    assert net.priors.shape == (24_564, 4)
    maps = net.features(torch.zeros(2, 3, 512, 512, dtype=torch.uint8, device="meta"))
    assert [tuple(x.shape[1:]) for x in maps] == [
        (channels, cells, cells) for channels, (cells, _) in zip(net.features.widths, net.maps, strict=True)
    ]
    assert [tuple(outputs.shape) for outputs in net.heads(maps)] == [(2, 24_564, 4), (2, 24_564, 21)]


def test_ssd512_default_boxes_are_the_authors():
    least = [35.84, 76.8, 153.6, 230.4, 307.2, 384.0, 460.8, 537.6]  # pixels, min_sizes and the last of max_sizes
    model = values_of("detection/ssd512")
    net = SSDNet(VGG16, 21, 3, 512, scales=model["scales"], ratios=model["ratios"])
    torch.testing.assert_close(net.priors, SSDNet(VGG16, 21, 3, 512).priors)
    start = 0
    for (cells, per_cell), side, following in zip(net.maps, least[:-1], least[1:], strict=True):
        first = net.priors[start] * 512
        torch.testing.assert_close(first, torch.tensor([256 / cells, 256 / cells, side, side]))
        middle = (net.priors[start + 1, 2:] * 512).tolist()
        assert middle == pytest.approx([(side * following) ** 0.5] * 2, rel=1e-5)
        start += cells * cells * per_cell
    assert start == len(net.priors)


def test_ssd300_computes_what_torchvisions_does():
    reference = ssd300_vgg16(weights=None, weights_backbone=None, num_classes=4).eval()
    net = SSDNet(VGG16, 4, 3, 300).eval()
    # Both list their layers from the image upwards, only the heads are grouped differently, and L2Norm comes first.
    theirs = {k: v for k, v in reference.backbone.state_dict().items() if k != "scale_weight"}
    ours = {k: v for k, v in net.features.state_dict().items() if k != "norm4.scale"}
    assert [v.shape for v in theirs.values()] == [v.shape for v in ours.values()]
    state = dict(zip(ours, theirs.values(), strict=True)) | {"norm4.scale": reference.backbone.scale_weight.detach()}
    net.features.load_state_dict(state)
    image = torch.randint(256, (1, 3, 300, 300), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        scaled = (image.float() - net.features.mean) / net.features.std
        for x, y in zip(net.features(image), reference.backbone(scaled).values(), strict=True):
            torch.testing.assert_close(x, y, rtol=1e-3, atol=1e-4)


def test_l2norm_gives_each_cell_the_norm_20():
    x = L2Norm(8)(torch.randn(2, 8, 3, 3))
    torch.testing.assert_close(x.norm(dim=1), torch.full((2, 3, 3), 20.0))


@pytest.mark.parametrize(
    ("arguments", "cure"),
    [
        (
            {"backbone": "vgg16", "image_size": 128},
            r"set data.image_size=300 \(512 with .*\), or model.backbone=small_resnet",
        ),
        ({"image_size": 100}, "set data.image_size=96"),
        ({"image_size": 32}, "set data.image_size=64"),
        ({"backbone": "resnett"}, "did you mean resnet"),
        ({"frozen_stages": 7}, "small_resnet has 5 stages here"),
        ({"scales": [0.1, 0.2]}, "4 feature maps need 5 scales"),
    ],
)
def test_unusable_arguments_are_refused_with_cure(arguments: dict, cure: str):
    with pytest.raises(ValueError, match=cure):
        SSD(**{**FACTS, **TINY, **arguments})


def test_other_image_sizes_are_refused():
    model = SSD(**FACTS, **TINY)
    with pytest.raises(ValueError, match=r"built for images \(3, 64, 64\), got \(3, 96, 96\): resize"):
        model(torch.zeros(1, 3, 96, 96, dtype=torch.uint8))


def test_weights_from_a_file(tmp_path):
    source, target = (SSD(**FACTS, **TINY).net for _ in range(2))
    torch.save(source.features.backbone.state_dict(), tmp_path / "backbone.pt")
    target.load_pretrained(str(tmp_path / "backbone.pt"))
    torch.testing.assert_close(target.features.state_dict(), source.features.state_dict())
    with pytest.raises(FileNotFoundError, match="no file"):
        target.load_pretrained(str(tmp_path / "absent.pt"))


def test_loads_torchvisions_vgg16(tmp_path):
    net = SSDNet(VGG16, 4, 3, 300)
    weights = {k: torch.randn_like(v) for k, v in net.features.state_dict().items() if k.startswith("features.")}
    torch.save(weights, tmp_path / "features.pth")
    net.load_pretrained(str(tmp_path / "features.pth"))
    torch.testing.assert_close(net.features.features[28].weight.detach(), weights["features.28.weight"])
    del weights["features.0.weight"]
    torch.save(weights, tmp_path / "cut.pth")
    with pytest.raises(ValueError, match=r"missing features\.0\.weight"):
        net.load_pretrained(str(tmp_path / "cut.pth"))


def test_a_step_on_one_image_names_the_cure():
    model = SSD(**FACTS, **TINY)
    images = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    with pytest.raises(ValueError, match=r"set data\.batch_size=2 or more"):
        model.training_step((images, [truth(0, 2)]), 0)
    assert len(model.eval()(images)) == 1


def test_predict_answers_in_the_pixels_of_each_picture():
    model = SSD(**FACTS, **TINY, display_threshold=0.0)
    pictures = [torch.zeros(3, 50, 200, dtype=torch.uint8), torch.zeros(1, 128, 64, dtype=torch.uint8)]
    rows, drawn, _ = model.predict(pictures)
    boxes = [torch.tensor(row["boxes"]) for row in rows]
    for (height, width), box in zip([(50, 200), (128, 64)], boxes, strict=True):
        assert box[:, [0, 2]].min() >= 0
        assert box[:, [0, 2]].max() == pytest.approx(width)
        assert box[:, [1, 3]].max() == pytest.approx(height)
    assert [len(row["classes"]) for row in rows] == [len(row["scores"]) for row in rows]
    assert all(picture.dtype == torch.uint8 and picture.shape[0] == 3 for picture in drawn)


def test_test_draws_default_boxes_and_matches(monkeypatch):
    shown = {}
    for module in ("ssd", "detector", "evaluation.evaluator"):
        monkeypatch.setattr(
            f"leyden.detection.{module}.log_image", lambda _, tag, picture: shown.update({tag: picture})
        )
    model = SSD(**FACTS, **TINY)
    targets = [
        {**truth(1, 2), "difficult": torch.tensor([True, True])},
        {**truth(2, 1), "difficult": torch.zeros(1) > 0},
    ]
    nothing = [{**NOTHING, "scores": torch.zeros(0)}] * 2
    images = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    model.evaluator.examples = Examples(images, nothing, targets)
    model.log_examples("val", model.evaluator.examples)
    assert set(shown) == {"predictions"}
    model.log_examples("test", model.evaluator.examples)
    # Three tiles of 256: the shapes, the first image, of which nothing is learnt, and the second.
    tiles = [shown["default_boxes"][:, 36:292, left : left + 256] for left in (6, 268, 530)]
    assert [bool(tile.any()) for tile in tiles] == [True, False, True]
