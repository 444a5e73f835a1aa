from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.ops import box_iou

from leyden.data.columns import Scenes
from leyden.data.source.builtin.digit_scenes import DigitScenes
from leyden.data.splits import InMemory
from leyden.detection.boxes.box_coder import encode
from leyden.detection.data import DetectionData
from leyden.detection.nets.rcnn import CropFeatures
from leyden.detection.rcnn import RCNN
from training import assert_resumed_is_as_if_left_alone

FACTS = {"class_names": list("abc"), "channels": 3, "image_size": 64}
TINY = {"widths": [8, 8, 16], "blocks": [0, 0, 0], "hidden": 16}
NOTHING = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}


def with_proposals(target: dict[str, Tensor], seed: int, side: int = 64) -> dict[str, Tensor]:
    """Made up: some near each object, some anywhere."""
    generator = torch.Generator().manual_seed(seed)
    near = target["boxes"].repeat(4, 1)
    near = near + 3 * torch.randn(near.shape, generator=generator)
    low = torch.rand(12, 2, generator=generator) * side * 0.7
    anywhere = torch.cat([low, low + 6 + torch.rand(12, 2, generator=generator) * side * 0.2], 1)
    boxes = torch.cat([near, anywhere]).clamp(0, side)
    return {**target, "proposals": boxes[(boxes[:, 2:] - boxes[:, :2]).amin(1) > 2]}


class MadeUp(DetectionData):
    """Scenes with made-up proposals."""

    def prepared(self, raw: InMemory) -> InMemory:
        split = super().prepared(raw)
        images, targets = split.columns
        return InMemory(Scenes(images, [with_proposals(target, i) for i, target in enumerate(targets)]))


def scenes(train: int = 16, **options: int) -> MadeUp:
    data = MadeUp(DigitScenes(64, train=train, val=4, test=6, smallest=0.3), batch_size=8, eval_batch_size=4, **options)
    data.prepare_data()
    return data


def trainer(folder: Path, steps: int, *callbacks: lightning.Callback, **options: int) -> lightning.Trainer:
    return lightning.Trainer(
        accelerator="cpu", max_epochs=steps // 2, callbacks=list(callbacks), default_root_dir=folder, logger=False,
        enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1,
        enable_checkpointing=False, **options,
    )  # fmt: skip


def test_features_of_all_proposals_in_order(monkeypatch: pytest.MonkeyPatch):
    model = RCNN(**FACTS, **TINY).eval()
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (3, 3, 64, 64), dtype=torch.uint8, generator=generator)
    proposals = [with_proposals(NOTHING, i)["proposals"][:n] for i, n in enumerate([5, 0, 7])]
    with torch.no_grad():
        whole = model.outputs(images, proposals)
        monkeypatch.setattr("leyden.detection.rcnn.AT_ONCE", 4)
        parts = model.outputs(images, proposals)
        alone = model.outputs(images[2:], proposals[2:])
    assert whole.image.tolist() == [0] * 5 + [2] * 7
    torch.testing.assert_close(whole.crops, parts.crops)
    torch.testing.assert_close(whole.crops.features[5:], alone.crops.features)
    assert [len(found["scores"]) > 0 for found in model.postprocess(whole)] == [True, False, True]


def test_no_proposals_no_detections():
    model = RCNN(**FACTS, **TINY).eval()
    with torch.no_grad():
        detections = model(torch.zeros(2, 3, 64, 64, dtype=torch.uint8), [torch.zeros(0, 4)] * 2)
    assert [{key: tuple(value.shape) for key, value in found.items()} for found in detections] == [
        {"boxes": (0, 4), "labels": (0,), "scores": (0,)}
    ] * 2


def test_empty_batches_change_nothing():
    model = RCNN(**FACTS, **TINY)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    nothing = {**NOTHING, "proposals": torch.zeros(0, 4)}
    loss = model.training_step((torch.zeros(2, 3, 64, 64, dtype=torch.uint8), [nothing, nothing]), 0)
    loss.backward()
    assert loss.item() == 0
    assert all(parameter.grad.abs().max() == 0 for parameter in model.parameters())
    torch.testing.assert_close(model.state_dict(), before)


def test_scores_keep_the_margins_order():
    model = RCNN(**FACTS, **TINY, score_threshold=0.0)
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(500, 16, generator=generator)
    model.svm_head.weight.copy_(torch.randn(3, 16, generator=generator) / 3)
    model.svm_head.fitted.fill_(True)
    scores = model.scores(CropFeatures(torch.zeros(500, 64), features, torch.zeros(500, 4)))
    margins = features @ model.svm_head.weight.T
    assert margins.abs().max() > 3
    assert (scores > 0).all()
    assert (scores < 1).all()
    assert torch.equal(scores > 0.5, margins > 0)
    assert torch.equal(scores.argsort(0), margins.argsort(0))


def test_nms_uses_moved_boxes():
    model = RCNN(**FACTS, **TINY, nms_iou=0.3)
    boxes = torch.tensor([[0.0, 0, 20, 20], [30, 0, 50, 20]])
    moved = boxes[:, None].repeat(1, 3, 1)
    moved[1, 0] = torch.tensor([1.0, 0, 21, 20])  # class 0 moves the second box onto the first
    scores = torch.tensor([[0.9, 0.8, 0.0], [0.7, 0.6, 0.0]])
    [found] = model.nms([moved], [scores])
    assert found["labels"].tolist() == [0, 1, 1]
    torch.testing.assert_close(found["scores"], torch.tensor([0.9, 0.8, 0.6]))
    torch.testing.assert_close(found["boxes"], boxes[[0, 0, 1]])


def test_perfect_features_detect_all_objects(tmp_path: Path):
    data = scenes(train=60)
    model = RCNN(**data.spec, **TINY, penalty=1e-3)
    truths: list[dict[str, Tensor]] = []

    def crop_features(normalised: Tensor, boxes: Tensor, which: Tensor) -> CropFeatures:
        """Features: what class there is, if anything; pooled: the way to it."""
        features, pooled = torch.zeros(len(boxes), 16), torch.ones(len(boxes), 64)
        for i, (box, image) in enumerate(zip(boxes, which.tolist(), strict=True)):
            there = truths[image]
            iou, nearest = box_iou(box[None], there["boxes"])[0].max(0)
            features[i, there["labels"][nearest] if iou > 0.5 else 15] = 1
            centre = torch.cat([(box[:2] + box[2:]) / 2, box[2:] - box[:2]])
            pooled[i, :4] = encode(there["boxes"][nearest], centre, (1.0, 1.0)) if iou > 0.5 else 0
        return CropFeatures(pooled, features, model.net.score(features))

    outputs = model.outputs

    def remembering(images: Tensor, proposals: list[Tensor]) -> object:
        split = data.split("train")
        found = [(split.columns.images == image).flatten(1).all(1).nonzero().item() for image in images]
        truths[:] = [split.columns.targets[i] for i in found]
        return outputs(images, proposals)

    model.crop_features, model.outputs = crop_features, remembering
    model.training_step = lambda batch, batch_idx: sum(p.sum() for p in model.parameters()) * 0.0
    trainer(tmp_path, 14, limit_val_batches=0).fit(model, data)
    images, targets = data.split("train").take(torch.arange(20))
    for found, there in zip(model(*model.inputs(images, targets)), targets, strict=True):
        sure = found["scores"] > 0.5
        distance = (found["boxes"][sure][:, None] - there["boxes"]).abs().amax(2)
        same = found["labels"][sure][:, None] == there["labels"]
        # Each object is found, at its place, and nothing else is.
        assert (distance.masked_fill(~same, torch.inf).amin(0) < 0.5).all()
        assert (distance.masked_fill(~same, torch.inf).amin(1) < 0.5).all()


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({}, {"svm", "box"}),
        ({"classifier": "softmax"}, {"box"}),
        ({"regression": False, "hard_negatives": False}, {"svm"}),
        ({"classifier": "softmax", "regression": False}, set()),
    ],
)
def test_svms_and_regression_fitted_after_last_step(tmp_path: Path, options: dict, parts: set[str]):
    data = scenes()
    model = RCNN(**data.spec, **TINY, score_threshold=0.0, **options)
    learnt = []

    class Watch(lightning.Callback):
        def on_validation_start(self, trainer: lightning.Trainer, module: RCNN) -> None:
            learnt.append(bool(module.svm_head.fitted))

    run = trainer(tmp_path, 6, Watch())
    run.fit(model, data)
    # The sanity check, then an epoch each; the last one judges what the test will judge.
    assert learnt == [False, False, False, bool(parts)]
    assert bool(model.svm_head.weight.any()) == ("svm" in parts)
    assert bool(model.svm_head.box_bias.any()) == ("box" in parts)
    scores = run.test(model, data, verbose=False)[0]
    assert {"test/ap50", "test/ms_per_image", "test/ms_per_image_network"} <= set(scores)

    run.save_checkpoint(tmp_path / "x.ckpt")
    again = RCNN.load_from_checkpoint(tmp_path / "x.ckpt", weights_only=True).eval()
    images, targets = data.split("test").take(torch.arange(6))
    with torch.no_grad():
        for one, other in zip(
            model.eval()(*model.inputs(images, targets)), again(*again.inputs(images, targets)), strict=True
        ):
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize("options", [{"classifier": "softmax"}, {"regression": False}, {"hard_negatives": False}])
def test_svm_head_leaves_fine_tuning_alone(tmp_path: Path, options: dict):
    data = scenes()

    def trained(**options: Any) -> RCNN:
        lightning.seed_everything(0)
        model = RCNN(**data.spec, **TINY, score_threshold=0.0, **options)
        trainer(tmp_path, 4, limit_val_batches=0).fit(model, data)
        return model.eval()

    standard, variant = trained(), trained(**options)
    torch.testing.assert_close(variant.net.state_dict(), standard.net.state_dict(), rtol=0, atol=0)
    if "hard_negatives" not in options:  # the others only choose what answers
        images, targets = data.split("test").take(torch.arange(6))
        given = variant.inputs(images, targets)
        before = variant(*given)
        assert any(len(found["scores"]) for found in before)
        variant.load_state_dict(standard.state_dict())
        for own, borrowed in zip(before, variant(*given), strict=True):
            torch.testing.assert_close(own, borrowed, rtol=0, atol=0)


@pytest.mark.parametrize("step", [3, 5])  # in an epoch in the middle, and in the last, whose end fits the SVMs
def test_stopped_run_comes_to_the_same_end(step: int, tmp_path: Path):
    assert_resumed_is_as_if_left_alone(
        lambda: RCNN(**scenes().spec, **TINY, svm_images=8), scenes, tmp_path, steps=6, stop=step
    )


def test_further_training_unfits_the_svms(tmp_path: Path):
    data = scenes()
    model = RCNN(**data.spec, **TINY)
    trainer(tmp_path, 2, limit_val_batches=0).fit(model, data)
    assert model.svm_head.fitted
    learnt = model.svm_head.weight.clone()

    class Stop(lightning.Callback):
        def on_train_batch_end(self, trainer: lightning.Trainer, module: RCNN, *_: object) -> None:
            trainer.should_stop = True

    trainer(tmp_path, 8, Stop(), limit_val_batches=0).fit(model, data)
    assert not model.svm_head.fitted
    torch.testing.assert_close(model.svm_head.weight, learnt)


def test_predict_searches_with_the_datas_settings(monkeypatch: pytest.MonkeyPatch):
    asked = []

    def search(image: Tensor, **settings: object) -> Tensor:
        asked.append((tuple(image.shape), settings))
        return torch.tensor([[8.0, 8, 40, 40]])

    monkeypatch.setattr("leyden.detection.proposals.selective_search.selective_search", search)
    model = RCNN(**FACTS, **TINY, display_threshold=0.0, search={"k": [30]})
    rows, _, _ = model.predict([torch.zeros(3, 50, 200, dtype=torch.uint8), torch.zeros(1, 128, 64, dtype=torch.uint8)])
    assert asked == [((3, 64, 64), {"k": [30]})] * 2
    assert [row["boxes"][0] for row in rows] == [[25, 6.25, 125, 31.25], [8, 16, 40, 80]]


@pytest.mark.parametrize(
    ("arguments", "cure"),
    [
        ({"context": 32}, r"model.context=32 .* model.crop_size=64"),
        ({"crop_size": 80}, "multiples of 32"),
        ({"stride": 64}, "this detector looks at 64"),
        ({"frozen_stages": 9}, "3 stages here"),
    ],
)
def test_unusable_arguments_are_refused_with_cure(arguments: dict, cure: str):
    with pytest.raises(ValueError, match=cure):
        RCNN(**{**FACTS, **TINY, **arguments})


def test_data_without_proposals_is_refused(tmp_path: Path):
    data = DetectionData(DigitScenes(64, train=8, val=4, test=4, smallest=0.3), batch_size=8)
    data.prepare_data()
    model = RCNN(**data.spec, **TINY)
    with pytest.raises(ValueError, match=r"set data\.proposals=selective_search"):
        trainer(tmp_path, 2, num_sanity_val_steps=0).fit(model, data)
    plain = DataLoader(data.split("train"), collate_fn=lambda pairs: tuple(map(list, zip(*pairs, strict=True))))
    with pytest.raises(ValueError, match="fit it to a DetectionData"):
        trainer(tmp_path, 2, num_sanity_val_steps=0).fit(model, plain)


def test_the_backbone_takes_over_weights(tmp_path: Path):
    source, model = (RCNN(**FACTS, **TINY) for _ in range(2))
    torch.save(source.net.features.backbone.state_dict(), tmp_path / "backbone.pt")
    model.load_pretrained(str(tmp_path / "backbone.pt"))
    torch.testing.assert_close(model.net.features.state_dict(), source.net.features.state_dict())
