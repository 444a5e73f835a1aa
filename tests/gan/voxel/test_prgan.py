"""PrGAN: views, what the losses are, scores with their floors, samples."""

import pytest
import torch
from torch.nn import functional as F

from leyden.data.batches.gan.images import GanImages
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.volumes.shapes3d import Shapes3d
from leyden.data.source.volumes.views import ShapeViews
from leyden.gan.voxel.prgan import PrGAN
from training import Kept, quiet_trainer

SPEC = {"class_names": ["chair"], "channels": 1, "image_size": 16}
VIEWS = [0, 45, 90, 135, 180, 225, 270, 315]


def tiny(**values) -> PrGAN:
    torch.manual_seed(0)
    return PrGAN(**{**SPEC, "base_channels": 4, "latent_dim": 6, "eval_samples": 64, **values})


def new_data() -> GanImages:
    shapes = Shapes3d(
        silhouette_size=16, views=VIEWS, classes=["chair"], held_out=None, train_each=40, val_each=8, test_each=40,
        yaw=0.0, place=0.0,
    )  # fmt: skip
    return GanImages(ShapeViews(shapes), image_size=16, batch_size=8)


def test_views_are_equally_likely() -> None:
    noise = torch.randn(8000, 7, generator=torch.Generator().manual_seed(0))
    degrees = tiny(views=VIEWS).yaw(noise).rad2deg().round()
    values, counts = degrees.unique(return_counts=True)
    assert values.tolist() == VIEWS
    assert counts.min() > 850
    free = tiny(views=None).yaw(noise)
    assert 0 <= free.min() < 0.05
    assert 6.23 < free.max() <= 2 * torch.pi + 1e-6


def test_view_does_not_change_the_shape() -> None:
    model, noise = tiny(views=VIEWS), torch.randn(4, 7)
    other = noise.clone()
    other[:, -1] = -noise[:, -1] + 0.3
    torch.testing.assert_close(model.shapes(noise), model.shapes(other))
    assert not torch.equal(model.generate(noise), model.generate(other))


def test_losses_are_the_gan_s_and_the_features() -> None:
    model = tiny(feature_matching=0.5)
    quiet_trainer(max_steps=1).fit(model, new_data())
    model.discriminator.eval()  # spectral normalisation goes on with each pass of training
    real, fake = torch.rand(2, 8, 1, 16, 16) * 2 - 1
    (on_real, of_real), (on_fake, of_fake) = model.look(real), model.look(fake)
    expected = F.softplus(-on_real).mean() + F.softplus(on_fake).mean()
    torch.testing.assert_close(model.discriminator_loss(real, fake), expected)
    apart = (of_real.mean(0) - of_fake.mean(0)).square().mean()
    torch.testing.assert_close(model.generator_loss(real, fake), F.softplus(-on_fake).mean() + 0.5 * apart)


def test_gradient_reaches_the_volume_through_the_view() -> None:
    model = tiny(views=VIEWS)
    volumes = torch.full((1, 16, 16, 16), 0.1, requires_grad=True)
    model.silhouettes(volumes, torch.tensor([0.7])).sum().backward()
    assert volumes.grad[0, 4:12, :, 4:12].min() > 0  # the corners turn out of sight


def test_scores_have_floors_of_known_shapes() -> None:
    logger, model = Kept(), tiny(views=VIEWS)
    trainer = quiet_trainer(max_steps=2, logger=logger, limit_val_batches=1, val_check_interval=2)
    trainer.fit(model, new_data())
    assert trainer.callback_metrics["val/fid"] > 0
    [scores] = trainer.test(model, new_data(), verbose=False)
    for name in ("fid_mean_shape", "iou_nearest_mean_shape", "shape_iou_nearest", "shape_iou_nearest_training"):
        assert scores[f"test/{name}"] >= 0
    assert scores["test/fid_floor"] < scores["test/fid_mean_shape"]
    assert scores["test/shape_iou_nearest_mean_shape"] < scores["test/shape_iou_nearest_training"] < 1
    assert {"samples", "shapes"} <= logger.pictures.keys()


def test_true_shapes_have_good_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shapes of the data in place of generated ones: as near as training images are, and no occupancy too many."""
    model, data = tiny(views=VIEWS), new_data()
    truth = data.source.volumes("train").float()  # type: ignore[attr-defined]

    def shapes(noise: torch.Tensor) -> torch.Tensor:
        return truth[torch.arange(len(noise)) % len(truth)]

    monkeypatch.setattr(model.evaluation, "shapes", shapes)
    monkeypatch.setattr(model, "shapes", shapes)
    [scores] = quiet_trainer().test(model, data, verbose=False)
    assert scores["test/fid"] < scores["test/fid_mean_shape"]
    assert scores["test/iou_nearest"] > scores["test/iou_nearest_mean_shape"]
    assert scores["test/occupancy_ratio"] == pytest.approx(1, abs=0.2)


def test_images_without_known_shapes_are_scored_too() -> None:
    data = GanImages(Digits(), image_size=16, batch_size=8)
    model = tiny(class_names=data.spec["class_names"])
    [scores] = quiet_trainer().test(model, data, verbose=False)
    assert "test/fid" in scores
    assert "test/fid_mean_shape" not in scores


def test_samples_have_files_and_no_class() -> None:
    rows, images, files = tiny().sample(2, seed=1)
    assert [row["sample"] for row in rows] == [0, 1]
    assert [image.shape for image in images] == [(3, 128, 128)] * 2
    assert all("gif" in own for own in files)
    with pytest.raises(ValueError, match="no classes to ask for"):
        tiny().sample(1, "chair")


def test_colour_is_refused() -> None:
    with pytest.raises(ValueError, match="make them grey"):
        tiny(channels=3)
    with pytest.raises(ValueError, match="memory_format=contiguous"):
        tiny(memory_format="channels_last")
