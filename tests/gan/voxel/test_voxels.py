"""Shapes from silhouettes: the loss, missing views, the resting discriminator, floors, predictions."""

import math

import pytest
import torch
from torch.nn import functional as F

from leyden.core.technique import PredictOptions
from leyden.data.batches.gan.volumes import VolumeData
from leyden.data.columns import Volumes
from leyden.data.source.volumes.shapes3d import Shapes3d
from leyden.gan.voxel.floors import Floors
from leyden.gan.voxel.nets import SilhouettesToVolume, VolumeDiscriminator, VolumeGenerator
from leyden.gan.voxel.voxels import SilhouettesToShape, binarised, occupancy_loss, shown
from leyden.metrics.generated.voxels import voxel_iou
from training import Kept, quiet_trainer

SPEC = {"class_names": ["table", "chair", "lamp", "sofa", "bed"], "views": [0, 90], "volume_size": 16, "image_size": 32}


def tiny(**values) -> SilhouettesToShape:
    torch.manual_seed(0)
    return SilhouettesToShape(**{**SPEC, "base_channels": 2, "code_dim": 8, "discriminator_channels": 2, **values})


def new_data() -> VolumeData:
    return VolumeData(Shapes3d(train_each=6, val_each=2, test_each=2), views=2, batch_size=4)


# The loss and the networks.


def test_loss_weighs_occupied_voxels() -> None:
    logits, volumes = torch.zeros(1, 1, 2, 2, 2), torch.zeros(1, 1, 2, 2, 2)
    volumes[..., 0, 0, 0] = 1
    assert occupancy_loss(logits, volumes, 1.0).item() == pytest.approx(math.log(2))
    assert occupancy_loss(logits, volumes, 3.0).item() == pytest.approx(math.log(2) * (3 + 7) / 8)
    assert occupancy_loss(logits, volumes, None).item() == pytest.approx(math.log(2))


def test_balanced_loss_has_no_optimum_of_emptiness() -> None:
    """One logit for all voxels: its best value says the share of the occupied ones, or, balanced, one half."""
    volumes = torch.zeros(1, 1, 4, 4, 4)
    volumes[..., 0, 0, :] = 1
    for weight, best in ((1.0, 4 / 64), (15.0, 0.5), (None, 0.5)):
        logit = torch.logit(torch.tensor(best)).requires_grad_()
        occupancy_loss(logit.expand_as(volumes), volumes, weight).backward()
        assert logit.grad.abs().item() < 1e-6


@pytest.mark.parametrize(("size", "side"), [(16, 32), (24, 48), (32, 32)])
def test_networks_take_all_sizes(size: int, side: int) -> None:
    logits = SilhouettesToVolume(3, side, size, 2, 8)(torch.randn(2, 3, side, side))
    assert logits.shape == (2, 1, size, size, size)
    assert VolumeDiscriminator(size, 2)(logits.sigmoid()).shape == (2,)
    assert logits.sigmoid().mean().item() == pytest.approx(0.05, abs=0.03)  # as few are occupied at the start


def test_odd_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="16, 24, 32"):
        VolumeGenerator(20, 2, 8)
    with pytest.raises(ValueError, match="multiples of 8"):
        tiny(image_size=20)


@pytest.mark.parametrize(
    ("wrong", "cure"),
    [
        ({"translation": 0.1}, "set model.translation=0"),
        ({"memory_format": "channels_last"}, "memory_format=contiguous"),
        ({"n_critic": 2}, "set it to 1"),
        ({"threshold": 1.0}, "model.threshold"),
        ({"discriminator_accuracy": 0.3}, "would never learn"),
    ],
)
def test_options_without_meaning_name_the_cure(wrong: dict[str, object], cure: str) -> None:
    with pytest.raises(ValueError, match=cure):
        tiny(**wrong)


# Missing views.


def test_left_out_views_are_grey() -> None:
    silhouettes = torch.tensor([[[[1, 0]], [[1, 0]]]])
    seen = shown(silhouettes, torch.tensor([[True, False]]))
    assert seen.tolist() == [[[[1, -1]], [[0, 0]]]]


def test_first_view_is_always_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    model, asked = tiny(view_dropout=0.99), []
    monkeypatch.setattr(
        model.generator, "forward", lambda images: asked.append(images) or images.new_zeros(4, 1, 16, 16, 16)
    )
    model.prepare(next(iter(new_data().train_dataloader())))
    [images] = asked
    assert (images[:, 0] != 0).all()
    assert (images[:, 1] == 0).any()


# The adversary.


def test_no_adversary_unless_it_is_asked_for() -> None:
    assert list(tiny().players) == ["generator"]
    assert list(tiny(adversarial_weight=0.1).players) == ["discriminator", "generator"]


def test_discriminator_rests_while_it_is_good() -> None:
    model = tiny(adversarial_weight=0.1)
    quiet_trainer(max_steps=1).fit(model, new_data())
    for right, turns in ((4, ["generator"]), (2, ["discriminator", "generator"])):
        on_real = torch.tensor([1.0] * right + [-1.0] * (4 - right))
        model.rest.see(model, on_real, -on_real)
        assert model.rest.accuracy == right / 4
        assert model.turns() == turns


def test_resting_discriminator_keeps_its_weights() -> None:
    model = tiny(adversarial_weight=0.1)
    model.rest.accuracy.fill_(1.0)
    before = [p.clone() for p in model.discriminator.parameters()]
    trainer = quiet_trainer(max_steps=1)
    trainer.fit(model, new_data())
    assert trainer.global_step == 1
    assert all(torch.equal(a, b) for a, b in zip(before, model.discriminator.parameters(), strict=True))
    assert model.rest.accuracy < 1  # seen anew, so that it may go on


def test_generator_s_loss_is_the_sum() -> None:
    model = tiny(adversarial_weight=0.5)
    quiet_trainer(max_steps=1).fit(model, new_data())
    real, logits = torch.ones(2, 1, 16, 16, 16), torch.randn(2, 1, 16, 16, 16)
    expected = occupancy_loss(logits, real, 2.0) + 0.5 * F.softplus(-model.critic(logits.sigmoid())).mean()
    torch.testing.assert_close(model.generator_loss(real, logits), expected)


# What it is compared with.


def test_floors_of_two_classes_by_hand() -> None:
    volumes = torch.zeros(4, 4, 4, 4, dtype=torch.uint8)
    volumes[0, 0, 0, :2] = volumes[1, 0, 0, :2] = volumes[2, 3, 3] = volumes[3, 3, 3] = 1
    silhouettes = torch.stack([volumes.amax(1), volumes.amax(3).transpose(1, 2)], 1)
    known = Volumes(silhouettes, volumes, torch.zeros(4, 2, dtype=torch.int64), torch.tensor([0, 0, 1, 1]))
    asked = Volumes(*(column[[0, 2]] for column in known))._replace(labels=torch.tensor([0, 7]))
    found = Floors(known, [0, 90]).shapes(asked)
    assert voxel_iou(found["class_mean"][:1], volumes[:1]).item() == 1
    torch.testing.assert_close(found["class_mean"][1], found["mean_shape"][1])  # a class that the training has not
    assert voxel_iou(found["nearest"], asked.volumes).tolist() == [1, 1]
    assert voxel_iou(found["nearest_front"], asked.volumes).tolist() == [1, 1]
    assert ((found["hull"] & asked.volumes.bool()) == asked.volumes.bool()).all()
    assert found["hull_front"].sum() > found["hull"].sum()


def test_test_scores_have_the_floors_and_an_image() -> None:
    logger, model = Kept(), tiny()
    trainer = quiet_trainer(max_steps=2, logger=logger, limit_val_batches=1, val_check_interval=2)
    trainer.fit(model, new_data())
    assert {"val/iou", "val/iou_front", "val/occupancy_ratio"} <= trainer.callback_metrics.keys()
    [scores] = trainer.test(model, new_data(), verbose=False)
    for name in ("", "_front", "_mean_shape", "_class_mean", "_nearest", "_nearest_front", "_hull", "_hull_front"):
        assert 0 <= scores[f"test/iou{name}"] <= 1
        assert 0 <= scores[f"test/iou{name}_unseen_class"] <= 1
    assert scores["test/shapes"] == 10
    assert scores["test/iou_hull"] > scores["test/iou_hull_front"]
    assert logger.pictures["samples"].shape[0] == 3


def test_scores_of_true_shapes_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    data, model = new_data(), tiny()
    truth = data.whole("test").volumes.float()
    monkeypatch.setattr(model.evaluation, "probabilities", lambda silhouettes, given: truth[: len(silhouettes)])
    [scores] = quiet_trainer().test(model, data, verbose=False)
    assert scores["test/iou"] == scores["test/iou_unseen_class"] == scores["test/occupancy_ratio"] == 1
    assert scores["test/distinct"] == 10


# Predictions.


def test_silhouettes_of_files_are_cut_and_fitted() -> None:
    grey = torch.full((1, 64, 64), 30, dtype=torch.uint8)
    grey[0, 16:48, 16:48] = 220
    square = binarised(grey, 32, 3)
    assert square.sum() == 16 * 16
    assert square[0, 8:24, 8:24].all()
    torch.testing.assert_close(binarised(255 - grey, 32, 3), square)  # dark on bright is the same shape


@pytest.mark.parametrize(
    ("image", "cure"),
    [
        (torch.zeros(1, 8, 8, dtype=torch.uint8), "all alike"),
        (torch.eye(8, dtype=torch.uint8).expand(3, 8, 8), "3 channels, the training had 2 views"),
    ],
)
def test_unfit_silhouettes_name_the_cure(image: torch.Tensor, cure: str) -> None:
    with pytest.raises(ValueError, match=cure):
        tiny().predict([image])


def test_predictions_have_a_row_an_image_and_files() -> None:
    image = torch.zeros(1, 40, 40, dtype=torch.uint8)
    image[0, 10:30, 10:30] = 255
    model = tiny()
    with torch.no_grad():
        model.ema.network[-1][-1].bias.fill_(3.0)  # everything is full
    rows, images, files = model.predict([image, image.expand(2, -1, -1)])
    assert [row["views"] for row in rows] == [["0"], ["0", "90"]]
    assert all(0 < row["share"] <= 1 for row in rows)
    assert [drawn.shape for drawn in images] == [(3, 128, 128)] * 2
    assert all({"gif", "obj", "ply"} >= own.keys() >= {"gif"} for own in files)
    assert model.predict([image], PredictOptions(threshold=0.999)).rows[0]["voxels"] < rows[0]["voxels"]
    with pytest.raises(ValueError, match="--threshold 1"):
        model.predict([image], PredictOptions(threshold=1.0))
    with pytest.raises(ValueError, match="leave --direction out"):
        model.predict([image], PredictOptions(direction="A2B"))
