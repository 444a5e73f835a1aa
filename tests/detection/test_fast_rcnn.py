from pathlib import Path

import lightning
import pytest
import torch
from detections import target as truth
from torch.utils.data import DataLoader
from torchvision.ops import box_convert, box_iou

from leyden.core.technique import PredictOptions
from leyden.data.columns import Scenes
from leyden.data.loader import Loader
from leyden.data.source.builtin.digit_scenes import DigitScenes
from leyden.data.splits import InMemory
from leyden.detection.boxes.box_coder import encode
from leyden.detection.data import DetectionData
from leyden.detection.fast_rcnn import FastRCNN, offset_statistics
from training import quiet_trainer

FACTS = {"class_names": list("abc"), "channels": 3, "image_size": 64}
TINY = {"widths": [8, 16], "blocks": [0, 0], "fc": [32, 16], "roi_size": 3, "rois": 16}
IMAGES = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def near(*boxes: list[float], labels: list[int], seed: int = 0, count: int = 40) -> dict[str, torch.Tensor]:
    """Objects with proposals around them and anywhere."""
    generator = torch.Generator().manual_seed(seed)
    target = truth(*boxes, labels=labels)
    around = target["boxes"].repeat(count // max(1, len(labels)), 1)
    around = around + 4 * torch.randn(around.shape, generator=generator)
    low, size = torch.rand(2, count, 2, generator=generator) * 30
    anywhere = torch.cat([low, low + size + 2], 1)
    return target | {"proposals": torch.cat([around, anywhere]).clamp(0, 64)}


TARGETS = [near([10.0, 10, 30, 40], labels=[1]), near([5.0, 20, 40, 50], [40.0, 5, 60, 20], labels=[0, 2], seed=1)]


def step(net: FastRCNN, targets: list) -> dict[str, torch.Tensor]:
    losses = {}
    net.log_losses = lambda loss, **parts: losses.update(parts, whole=loss)
    net.training_step((IMAGES[: len(targets)], targets), 0).backward()
    return losses


def scenes(**more) -> DetectionData:
    data = DetectionData(
        DigitScenes(64, train=16, val=4, test=4, smallest=0.3), batch_size=8, eval_batch_size=2, **more
    )
    data.prepare_data()
    return data


def test_loss_reaches_all_weights_but_empty_images_no_boxes():
    net = FastRCNN(**FACTS, **TINY, box_weight=2.0)
    losses = step(net, TARGETS)
    torch.testing.assert_close(losses["whole"], losses["class"] + 2 * losses["box"])
    assert not {name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()}
    net.zero_grad()
    losses = step(net, [near(labels=[]), near(labels=[], seed=1)])
    assert losses["box"].item() == 0
    assert losses["class"].item() > 0
    assert net.head.offsets.weight.grad.abs().max() == 0
    nowhere = {**truth(), "proposals": torch.zeros(0, 4)}
    assert step(net, [nowhere, nowhere])["whole"].item() == 0


def test_offset_statistics_normalise_the_offsets():
    split = InMemory(Scenes(IMAGES, TARGETS))
    mean, std = offset_statistics(split, 4, 0.5)
    for label, image, thing in ((1, 0, 0), (0, 1, 0), (2, 1, 1)):
        target = TARGETS[image]
        rois = torch.cat([target["boxes"], target["proposals"]])
        overlap, which = box_iou(rois, target["boxes"]).max(1)
        shown = rois[(overlap >= 0.5) & (which == thing)]
        assert len(shown) > 3
        offsets = encode(target["boxes"][thing].expand(len(shown), 4), box_convert(shown, "xyxy", "cxcywh"), (1.0, 1.0))
        torch.testing.assert_close(mean[label], offsets.mean(0))
        torch.testing.assert_close(std[label], offsets.std(0, correction=0))
    assert mean[3].tolist() == [0, 0, 0, 0]  # no such object
    assert std[3].tolist() == pytest.approx([0.1, 0.1, 0.2, 0.2])


def test_proposals_come_from_data_or_search():
    pytest.importorskip("cv2")
    net = FastRCNN(**FACTS, **TINY)
    _, given = net.inputs(IMAGES, TARGETS)
    assert all(torch.equal(a, b["proposals"]) for a, b in zip(given, TARGETS, strict=True))
    images, found = net.inputs(IMAGES, [{}, {}])
    assert images is IMAGES
    assert all(len(boxes) > 0 and boxes.shape[1] == 4 for boxes in found)
    rows, _, _ = net.predict([IMAGES[0], torch.zeros(1, 30, 90, dtype=torch.uint8)], PredictOptions(threshold=0.0))
    assert [(row["width"], row["height"]) for row in rows] == [(64, 64), (90, 30)]


def test_without_proposals_training_says_how_to_get_some():
    net = FastRCNN(**FACTS, **TINY)
    with pytest.raises(ValueError, match=r"set data\.proposals=selective_search"):
        step(net, [truth([1.0, 1, 20, 20])])
    data = scenes()
    with pytest.raises(ValueError, match=r"set data\.proposals=selective_search"):
        quiet_trainer(max_epochs=1).fit(FastRCNN(**data.spec, **TINY), data)
    pairs = DataLoader(list(zip(IMAGES, TARGETS, strict=True)), collate_fn=lambda pairs: pairs)
    with pytest.raises(ValueError, match="fit it to a DetectionData"):
        quiet_trainer(max_epochs=1).fit(net, pairs, pairs)


def test_sampling_depends_on_torchs_seed():
    net, losses = FastRCNN(**FACTS, **TINY), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        losses.append(step(net, TARGETS)["whole"].item())
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize(("svd", "alike"), [([32, 16], True), ([1, 1], False)])
def test_svd_only_in_tests_and_predictions(svd: list[int], alike: bool, monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(0)
    net = FastRCNN(**FACTS, **TINY, svd=svd, score_threshold=0.0)
    weights = {key: value.clone() for key, value in net.state_dict().items()}
    with torch.no_grad():
        whole = net.eval().outputs(IMAGES, [target["proposals"] for target in TARGETS]).logits
    said = {}
    head_forward = net.head.forward

    def forward(maps, proposals):
        judged = head_forward(maps, proposals)
        said[stage] = judged.logits
        return judged

    monkeypatch.setattr(net.head, "forward", forward)
    monkeypatch.setattr(
        net, "inputs", lambda images, targets: (images, [t["proposals"] for t in TARGETS][: len(images)])
    )
    loader, trainer = Loader(InMemory(Scenes(IMAGES, TARGETS)), 2), quiet_trainer(limit_val_batches=1)
    stage = "val"
    trainer.validate(net, loader, verbose=False)
    stage = "test"
    trainer.test(net, loader, verbose=False)
    stage = "predict"
    net.predict(list(IMAGES))
    assert torch.equal(said["val"], whole)
    for stage in ("test", "predict"):
        assert ((said[stage] - whole).abs().max() < 1e-5) == alike
    stage = "after"
    with torch.no_grad():
        net.outputs(IMAGES, [target["proposals"] for target in TARGETS])
    assert torch.equal(said["after"], whole)
    torch.testing.assert_close(net.state_dict(), weights, rtol=0, atol=0)


def test_training_learns_and_keeps_statistics(tmp_path: Path):
    pytest.importorskip("cv2")
    lightning.seed_everything(0, verbose=False)
    data = scenes(proposals="selective_search")
    net, losses = FastRCNN(**data.spec, **TINY), []

    class Losses(lightning.Callback):
        def on_train_batch_end(self, trainer, module, outputs, batch, index):
            losses.append(float(outputs["loss"]))

    trainer = quiet_trainer(max_epochs=20, callbacks=[Losses()], log_every_n_steps=1, default_root_dir=tmp_path)
    trainer.fit(net, data)
    assert sum(losses[-4:]) < 0.7 * sum(losses[:4])
    mean, std = offset_statistics(data.split("train"), 10, 0.5)
    assert torch.equal(net.head.mean, mean)
    assert torch.equal(net.head.std, std)
    assert "test/ap50" in trainer.test(net, data, verbose=False)[0]
    trainer.save_checkpoint(tmp_path / "x.ckpt")
    again = FastRCNN.load_from_checkpoint(tmp_path / "x.ckpt", weights_only=True)
    torch.testing.assert_close(again.state_dict(), net.state_dict())
    assert torch.equal(again.head.std, std)
