import lightning
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import box_iou, generalized_box_iou

from leyden.data.source.builtin.digit_scenes import DigitScenes
from leyden.detection.boxes.batch import pad_targets
from leyden.detection.boxes.simota import simota
from leyden.detection.data import DetectionData
from leyden.detection.nets.yolox import Outputs
from leyden.detection.yolox import BOX_LOSSES, YOLOX, decode_points, yolox_loss

FACTS = {"class_names": list("abc"), "channels": 3, "image_size": 64}
TINY = {"widths": [8, 16, 16, 16], "blocks": [0, 0, 0, 0], "width": 16}
NOTHING = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
POINTS = 64 + 16 + 4
"""Of 64 pixels."""


def truth(seed: int, count: int, side: float = 64.0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    low, size = torch.rand(2, count, 2, generator=generator) * side / 2
    labels = torch.randint(3, (count,), generator=generator)
    return {"boxes": torch.cat([low, low + size + 2], 1), "labels": labels}


def images(count: int, side: int = 64) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, 3, side, side), dtype=torch.uint8, generator=generator)


def said(seed: int, count: int) -> Outputs:
    """Some outputs for images of 64 pixels, as leaves."""
    points = YOLOX(**FACTS, **TINY).outputs(images(1)).points
    generator = torch.Generator().manual_seed(seed)
    made = [torch.randn(count, POINTS, *rest, generator=generator) for rest in ((4,), (), (3,))]
    return Outputs(*(part.requires_grad_() for part in made), points, 64)


def test_loss_is_yoloxs_sums_over_what_simota_matches():
    outputs, targets = said(0, 3), [truth(1, 4), NOTHING, truth(2, 7)]
    losses = yolox_loss(outputs, pad_targets(targets))
    boxes = decode_points(outputs.offsets, outputs.points)
    scores = outputs.objectness.sigmoid()[..., None] * outputs.logits.sigmoid()
    match, _ = simota(boxes, scores, outputs.points, pad_targets(targets))
    box = objectness = classes = torch.tensor(0.0)
    for i, target in enumerate(targets):
        for p in range(POINTS):
            thing = int(match[i, p])
            objectness = objectness + F.softplus(outputs.objectness[i, p] * (-1 if thing >= 0 else 1))
            if thing >= 0:
                own, its = boxes[i, p, None], target["boxes"][thing, None]
                box = box + 1 - generalized_box_iou(own, its)[0, 0]
                for c, logit in enumerate(outputs.logits[i, p]):
                    wanted = box_iou(own, its)[0, 0].detach() * (c == target["labels"][thing])
                    classes = classes - wanted * F.logsigmoid(logit) - (1 - wanted) * F.logsigmoid(-logit)
    count = (match >= 0).sum()
    assert count > 5
    torch.testing.assert_close(tuple(losses), (box / count, objectness / count, classes / count))


def test_gradients_reach_matched_points_and_objectness():
    outputs, targets = said(3, 2), [truth(4, 2), truth(5, 3)]
    losses = yolox_loss(outputs, pad_targets(targets))
    sum(losses).backward()
    boxes = decode_points(outputs.offsets.detach(), outputs.points)
    scores = (outputs.objectness.sigmoid()[..., None] * outputs.logits.sigmoid()).detach()
    matched = simota(boxes, scores, outputs.points, pad_targets(targets)).match >= 0
    assert torch.equal(outputs.offsets.grad.abs().sum(2) > 0, matched)
    assert torch.equal(outputs.logits.grad.abs().sum(2) > 0, matched)
    assert (outputs.objectness.grad < 0).equal(matched)
    assert (outputs.objectness.grad != 0).all()


def test_class_target_takes_no_gradient():
    outputs = said(6, 1)
    yolox_loss(outputs, pad_targets([truth(7, 3)])).classes.backward()
    assert outputs.offsets.grad is None or outputs.offsets.grad.abs().max() == 0


def test_images_without_objects_teach_the_objectness_only():
    outputs = said(8, 2)
    losses = yolox_loss(outputs, pad_targets([NOTHING, NOTHING]))
    assert [losses.box.item(), losses.classes.item()] == [0, 0]
    torch.testing.assert_close(losses.objectness, F.softplus(outputs.objectness).sum())
    sum(losses).backward()
    assert outputs.offsets.grad.abs().max() == 0
    assert outputs.logits.grad.abs().max() == 0


def test_wild_outputs_give_finite_losses_and_gradients():
    outputs = said(9, 2)
    wild = Outputs(*(part.detach().mul(1e3).requires_grad_() for part in outputs[:3]), outputs.points, 64)
    losses = yolox_loss(wild, pad_targets([truth(10, 3), NOTHING]))
    sum(losses).backward()
    assert torch.stack(losses).isfinite().all()
    assert all(part.grad.isfinite().all() for part in wild[:3])


def test_losses_of_boxes_are_the_published_ones():
    a, b = (
        torch.tensor([[50.0, 80, 150, 140], [30, 20, 100, 80]]),
        torch.tensor([[90.0, 70, 160, 160], [40, 40, 90, 120]]),
    )
    pairs = a.repeat_interleave(2, 0), b.repeat(2, 1)
    # MultimediaTechLab/YOLO's test of DIoU and CIoU for these boxes.
    expected = {"diou": [0.3816, 0.0943, -0.2048, 0.2622], "ciou": [0.3769, 0.0853, -0.2050, 0.2602]}
    for kind, values in expected.items():
        torch.testing.assert_close(1 - BOX_LOSSES[kind](*pairs), torch.tensor(values), rtol=0, atol=2e-4)
    # GIoU of the first pair: IoU 3600 / 8700, and 1200 of the 9900 around both belong to neither.
    torch.testing.assert_close(1 - BOX_LOSSES["giou"](*pairs)[0], torch.tensor(3600 / 8700 - 1200 / 9900))


def test_boxes_count_from_the_centres_of_the_cells():
    outputs = YOLOX(**FACTS, **TINY).outputs(images(1))
    assert outputs.points.shape == (POINTS, 3)
    assert outputs.points[[0, 1, 8, 63, 64, 83]].tolist() == [
        [4, 4, 8], [12, 4, 8], [4, 12, 8], [60, 60, 8], [8, 8, 16], [48, 48, 32],
    ]  # fmt: skip
    boxes = decode_points(torch.tensor([[[0.0, 0, 0, 0], [0.5, -0.25, 0.6931472, 0]]]), torch.tensor([[4.0, 4, 8]] * 2))
    torch.testing.assert_close(boxes, torch.tensor([[[0.0, 0, 8, 8], [0, -2, 16, 6]]]))


@pytest.mark.parametrize(
    ("level", "row", "column", "changed"),
    [
        (0, 2, 5, [[44, 20, 8]]),
        (1, 1, 3, [[52, 20, 8], [60, 20, 8], [52, 28, 8], [60, 28, 8], [56, 24, 16]]),
    ],
)
def test_points_follow_cells_through_the_pyramid(level: int, row: int, column: int, changed: list[list[int]]):
    # Without 3x3 convolutions in the heads, a cell is seen by its own point and by those that lie in it on finer maps.
    model = YOLOX(**FACTS, **TINY, depth=0).eval()
    maps = [torch.zeros(1, 16, side, side) for side in (8, 4, 2)]
    model.net.features.forward = lambda _: [m.clone() for m in maps]
    before = model.outputs(images(1))
    maps[level][0, :, row, column] = torch.randn(16, generator=torch.Generator().manual_seed(0))
    after = model.outputs(images(1))
    moved = (before.logits != after.logits).any(2)[0]
    assert after.points[moved].tolist() == changed
    assert torch.equal((before.offsets != after.offsets).any(2)[0], moved)


def test_perfect_outputs_give_the_truth_back():
    model = YOLOX(**FACTS, **TINY).eval()
    targets = [
        {"boxes": torch.tensor([[3.0, 5, 23, 15], [40, 30, 64, 64]]), "labels": torch.tensor([2, 0])},
        {"boxes": torch.tensor([[20.0, 20, 29, 60]]), "labels": torch.tensor([1])},
    ]
    points = model.outputs(images(1)).points
    # All other points say that there is nothing, and next to nothing is what they would overlap.
    offsets = torch.tensor([0.0, 0, -9, -9]).repeat(2, POINTS, 1)
    objectness, logits = torch.full((2, POINTS), -20.0), torch.zeros(2, POINTS, 3)
    for i, target in enumerate(targets):
        for number, ((x1, y1, x2, y2), label) in enumerate(
            zip(target["boxes"].tolist(), target["labels"].tolist(), strict=True)
        ):
            map_ = points[:, 2] == 8 * (1 + number)  # the object's nearest point on the first map, or the second
            centre = torch.tensor([x1 + x2, y1 + y2]) / 2
            point = int((points[:, :2] - centre).norm(dim=1).masked_fill(~map_, torch.inf).argmin())
            stride = points[point, 2]
            size = (torch.tensor([x2 - x1, y2 - y1]) / stride).log()
            offsets[i, point] = torch.cat([(centre - points[point, :2]) / stride, size])
            objectness[i, point] = 20
            logits[i, point] = -20
            logits[i, point, label] = 20
    outputs = Outputs(offsets, objectness, logits, points, 64)
    for found, target in zip(model.postprocess(outputs), targets, strict=True):
        order = found["boxes"][:, 0].argsort()
        torch.testing.assert_close(found["boxes"][order], target["boxes"])
        assert found["labels"][order].tolist() == target["labels"].tolist()
    assert max(yolox_loss(outputs, pad_targets(targets))) < 1e-3


def test_before_training_everything_is_improbable():
    outputs = YOLOX(**FACTS, **TINY).outputs(images(2))
    for logits in (outputs.objectness, outputs.logits):
        torch.testing.assert_close(logits.sigmoid().mean(), torch.tensor(0.01), rtol=0.2, atol=0)


@pytest.mark.parametrize("side", [32, 96, 160])
def test_any_multiple_of_32_trains_and_predicts(side: int):
    model = YOLOX(**FACTS, **TINY, score_threshold=0.0)
    targets = [truth(1, 2, side), NOTHING]
    losses = yolox_loss(model.outputs(images(2, side)), pad_targets(targets))
    assert torch.stack(losses).isfinite().all()
    found = model.eval()(images(2, side))[0]
    assert found["boxes"].min() >= 0
    assert found["boxes"].max() <= side


@pytest.mark.parametrize("backbone", ["small_resnet", "mobilenet_v2", "resnet18"])
def test_any_backbone_with_such_maps_lies_below(backbone: str):
    outputs = YOLOX(**FACTS, backbone=backbone, width=16, depth=2).outputs(images(2))
    assert [part.shape for part in outputs[:4]] == [(2, POINTS, 4), (2, POINTS), (2, POINTS, 3), (POINTS, 3)]
    assert outputs.offsets.dtype == torch.float32


@pytest.mark.parametrize(
    ("arguments", "cure"),
    [
        ({"backbone": "resnett"}, "did you mean resnet"),
        ({"image_size": 100}, "set data.image_size=96"),
        ({"box_loss": "iou"}, "there are giou, diou, ciou"),
        ({"frozen_stages": 7}, "small_resnet has 4 stages here"),
    ],
)
def test_unusable_arguments_are_refused_with_cure(arguments: dict, cure: str):
    with pytest.raises(ValueError, match=cure):
        YOLOX(**{**FACTS, **TINY, **arguments})


@pytest.mark.parametrize("shape", [(3, 80, 80), (3, 64, 96), (1, 64, 64)])
def test_unusable_images_are_refused(shape: tuple[int, int, int]):
    with pytest.raises(ValueError, match=r"multiples of 32, got \(.*\): resize them"):
        YOLOX(**FACTS, **TINY)(torch.zeros(1, *shape, dtype=torch.uint8))


def test_training_at_several_sizes_learns(tmp_path):
    lightning.seed_everything(0)
    source = DigitScenes(64, train=16, val=4, test=4, smallest=0.3)
    data = DetectionData(source, batch_size=8, eval_batch_size=2, multi_scale=[64, 96])
    data.prepare_data()
    model = YOLOX(**data.spec, **{**TINY, "width": 32})
    trainer = lightning.Trainer(
        accelerator="cpu", max_epochs=40, check_val_every_n_epoch=40, default_root_dir=tmp_path, logger=False,
        enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1,
    )  # fmt: skip
    losses = []

    class Losses(lightning.Callback):
        def on_train_batch_end(self, trainer, module, outputs, batch, index):
            losses.append(float(outputs["loss"]))

    trainer.callbacks.append(Losses())
    trainer.fit(model, data)
    assert sum(losses[-4:]) < 0.7 * sum(losses[:4])
    assert 0 <= trainer.callback_metrics["val/ap50"] <= 1
    assert {"train/loss_box", "train/loss_objectness", "train/loss_class"} <= set(trainer.callback_metrics)
    trainer.save_checkpoint(tmp_path / "x.ckpt")
    again = YOLOX.load_from_checkpoint(tmp_path / "x.ckpt", weights_only=True)
    torch.testing.assert_close(again.net.state_dict(), model.net.state_dict())
