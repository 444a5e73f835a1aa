from pathlib import Path

import pytest
import torch
from detections import target as truth
from torchvision.models import vgg16

from leyden.data.source.builtin.digit_scenes import DigitScenes
from leyden.detection.data import DetectionData
from leyden.detection.faster_rcnn import FasterRCNN
from training import Kept, quiet_trainer

FACTS = {"class_names": list("abc"), "channels": 3, "image_size": 64}
TINY = {"widths": [8, 16], "blocks": [0, 0], "rpn_width": 16, "fc": [32, 32], "roi_size": 3, "rois": 16}
PYRAMID = {
    "pyramid": True,
    "pyramid_width": 16,
    "widths": [8, 16, 16],
    "blocks": [0, 0, 0],
    "strides": [8, 16],
    "scales": [0.2, 0.4],
}
IMAGES = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def model(**more) -> FasterRCNN:
    return FasterRCNN(**{**FACTS, **TINY, **more})


def step(net: FasterRCNN, targets: list) -> dict[str, torch.Tensor]:
    """The losses of one step, of which the whole was propagated back."""
    losses = {}
    net.log_losses = lambda loss, **parts: losses.update(parts, whole=loss)
    net.training_step((IMAGES[: len(targets)], targets), 0).backward()
    return losses


@pytest.mark.parametrize("more", [{}, PYRAMID])
def test_answers_lie_in_the_image_and_are_few(more: dict):
    detections = model(**more, max_detections=7, score_threshold=0.0).eval()(IMAGES)
    for found in detections:
        assert 0 < len(found["scores"]) <= 7
        assert found["boxes"].min() >= 0
        assert found["boxes"].max() <= 64
        assert (found["scores"].diff() <= 0).all()


@pytest.mark.parametrize("more", [{}, PYRAMID])
def test_four_losses_reach_all_weights(more: dict):
    net = model(**more)
    losses = step(
        net, [truth([10.0, 10, 30, 40], labels=[1]), truth([5.0, 20, 40, 50], [40.0, 5, 60, 20], labels=[0, 2])]
    )
    assert set(losses) == {"objectness", "anchor_box", "class", "box", "whole"}
    torch.testing.assert_close(losses["whole"], sum(part for name, part in losses.items() if name != "whole"))
    unreached = {name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()}
    assert not unreached


def test_images_without_objects_teach_no_boxes():
    net = model()
    losses = step(net, [truth(), truth()])
    assert losses["box"].item() == losses["anchor_box"].item() == 0
    assert all(loss.isfinite() for loss in losses.values())
    for layer in (net.head.offsets, net.rpn.offsets):
        assert layer.weight.grad.abs().max() == 0


def test_no_gradient_flows_through_the_proposals():
    net = model()
    losses = {}
    net.log_losses = lambda loss, **parts: losses.update(parts)
    net.training_step((IMAGES, [truth([10.0, 10, 30, 40]), truth([5.0, 20, 40, 50])]), 0)
    (losses["class"] + losses["box"]).backward()
    assert all(p.grad is None for p in net.rpn.parameters())
    assert all(p.grad is not None for p in net.features.parameters())


def test_sampling_depends_on_torchs_seed():
    targets, losses = [truth([10.0, 10, 30, 40]), truth([5.0, 20, 40, 50])], []
    net = model()
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        losses.append(step(net, targets)["whole"].item())
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize(
    ("arguments", "cure"),
    [
        ({"strides": [8, 16]}, "set model.pyramid=true"),
        ({**PYRAMID, "scales": [0.1]}, "each of several just one"),
        ({"image_size": 100}, "set data.image_size=96"),
        ({"frozen_stages": 7}, "small_resnet has 2 stages here"),
    ],
)
def test_unusable_arguments_are_refused_with_cure(arguments: dict, cure: str):
    with pytest.raises(ValueError, match=cure):
        model(**arguments)


def test_vgg16_fills_backbone_and_fc_layers(tmp_path: Path):
    with torch.device("meta"):
        published = {key: value for key, value in vgg16().state_dict().items() if key.startswith("features.")}
    for name, shape in (("0", (12, 512 * 7 * 7)), ("3", (8, 12)), ("6", (1000, 8))):  # thinner than the real ones
        published |= {f"classifier.{name}.weight": torch.empty(shape), f"classifier.{name}.bias": torch.empty(shape[0])}
    torch.save({key: torch.zeros_like(value, device="cpu") for key, value in published.items()}, tmp_path / "vgg16.pth")
    net = model(backbone="vgg16", widths=None, blocks=None, strides=[16], roi_size=7, fc=[12, 8])
    net.head.fc6.bias.data.fill_(1)
    net.load_pretrained(str(tmp_path / "vgg16.pth"))
    taken = [*net.features.parameters(), *net.head.fc6.parameters(), *net.head.fc7.parameters()]
    assert not any(p.any() for p in taken)


def test_a_test_also_shows_the_proposals():
    kept = Kept()
    data = DetectionData(DigitScenes(64, train=4, val=2, test=3, smallest=0.3), eval_batch_size=2)
    data.prepare_data()
    net = FasterRCNN(**data.spec, **TINY)
    quiet_trainer(logger=kept).test(net, data, verbose=False)
    assert kept.pictures["proposals"].dtype == torch.uint8
    assert kept.pictures["proposals"].shape[0] == 3
