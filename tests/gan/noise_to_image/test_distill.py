"""A generator that is taught: what it is shown, what it is told, whose teacher it takes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from leyden.data.batches.gan.images import GanImages
from leyden.data.source.builtin.digits import Digits
from leyden.gan.noise_to_image.dcgan import DCGAN, Discriminator
from leyden.gan.noise_to_image.distill import Distill, feature_distance
from training import quiet_trainer

LITTLE: dict[str, Any] = {"teacher_steps": 2, "teacher_batch_size": 8, "base_channels": 2, "teacher_channels": 4}


def data() -> GanImages:
    found = GanImages(Digits(), image_size=16, batch_size=8)
    found.prepare_data()
    return found


def student(read: GanImages, **options: Any) -> Distill:
    torch.manual_seed(0)
    return Distill(**read.spec, latent_dim=6, **(LITTLE | options))


def fit(model: Any, read: GanImages, folder: Path, steps: int = 1) -> Any:
    quiet_trainer(default_root_dir=folder, max_steps=steps, max_epochs=-1).fit(model, read)
    return model


def test_maps_are_compared_behind_each_activation() -> None:
    torch.manual_seed(0)
    network = Discriminator(1, 16, 4, norm="layer")
    fake, shown = torch.randn(2, 3, 1, 16, 16).unbind()
    fake.requires_grad_()
    expected, maps = 0.0, [fake, shown]
    for layer in list(network)[:-2]:
        maps = [layer(one) for one in maps]
        if isinstance(layer, nn.LeakyReLU):
            expected += float((maps[0] - maps[1]).detach().abs().mean())
    found = feature_distance(network, fake, shown)
    assert float(found.detach()) == pytest.approx(expected, rel=1e-5)
    found.backward()
    assert fake.grad is not None
    assert fake.grad.abs().sum() > 0
    assert float(feature_distance(network, shown, shown).detach()) == 0


def test_the_teacher_is_shown_and_never_learns(tmp_path: Path) -> None:
    read = data()
    model = fit(student(read), read, tmp_path)
    assert model.taught
    before = {name: value.clone() for name, value in model.teacher.state_dict().items()}
    fit(model, read, tmp_path, steps=3)
    assert all(torch.equal(value, before[name]) for name, value in model.teacher.state_dict().items())
    sizes = [sum(p.numel() for p in network.parameters()) for network in (model.teacher, model.generator)]
    assert sizes[0] > 2 * sizes[1]


def test_pixels_count_less_and_less(tmp_path: Path) -> None:
    read = data()
    model = student(read)
    seen: list[float] = []
    loss = model.generator_loss
    model.players["generator"] = model.players["generator"]._replace(
        loss=lambda *batch: (seen.append(model.pixels_left()), loss(*batch))[1]
    )
    fit(model, read, tmp_path, steps=4)
    assert seen == pytest.approx([1, 0.75, 0.5, 0.25])


def test_without_help_it_is_a_dcgan(tmp_path: Path) -> None:
    """With neither weight the losses are those of the two networks alone."""
    read = data()
    model = fit(student(read, pixel_weight=0.0, feature_weight=0.0), read, tmp_path)
    real, fake, shown = (torch.randn(4, 1, 16, 16).tanh() for _ in range(3))
    model.discriminator.eval()
    expected = nn.functional.softplus(-model.critic(fake)).mean()
    torch.testing.assert_close(model.generator_loss(real, fake, shown), expected)


@pytest.mark.parametrize(("name", "weight"), [("pixel_weight", 3.0), ("feature_weight", 2.0)])
def test_help_counts_as_its_weight_says(name: str, weight: float, tmp_path: Path) -> None:
    """The pixels' at the run's begin; the mean absolute difference, and what D's layers see."""
    read = data()
    model = student(read, **({"pixel_weight": 0.0, "feature_weight": 0.0} | {name: weight}))
    model.trainer = quiet_trainer(default_root_dir=tmp_path, max_steps=2)
    model.pixels_left = lambda: 1.0  # type: ignore[method-assign]
    real, fake, shown = (torch.randn(4, 1, 16, 16).tanh() for _ in range(3))
    model.discriminator.eval()
    alone = nn.functional.softplus(-model.critic(fake)).mean()
    helped = {
        "pixel_weight": (fake - shown).abs().mean(),
        "feature_weight": feature_distance(model.discriminator, fake, shown),
    }
    torch.testing.assert_close(model.generator_loss(real, fake, shown), alone + weight * helped[name])


def test_the_teacher_s_distance_is_that_of_its_samples(tmp_path: Path) -> None:
    """A student that is its teacher has the teacher's distance; one that has learnt nothing has another."""
    read = data()
    model = fit(student(read, teacher_channels=4, base_channels=4, eval_samples=64), read, tmp_path)
    model.ema.network.load_state_dict(model.teacher.state_dict())
    (scores,) = model.trainer.test(model, read, verbose=False)
    assert scores["test/fid_teacher"] == pytest.approx(scores["test/fid"], rel=1e-4)
    with torch.no_grad():
        for weight in model.teacher.parameters():
            weight.mul_(50)  # black or white, where they were grey
    (scores,) = model.trainer.test(model, read, verbose=False)
    assert scores["test/fid_teacher"] != pytest.approx(scores["test/fid"], rel=1e-2)


def test_a_discriminator_begins_as_the_teacher_s(tmp_path: Path) -> None:
    read = data()
    cache = {"teacher_cache": str(tmp_path / "cache")}
    inherited, own = (student(read, inherit_discriminator=word, **cache) for word in (True, False))
    first = {name: value.clone() for name, value in own.discriminator.state_dict().items()}
    for model in (inherited, own):
        model.trainer = quiet_trainer(default_root_dir=tmp_path)
        model.trainer.datamodule = read
        model.on_fit_start()
    assert all(torch.equal(value, first[name]) for name, value in own.discriminator.state_dict().items())
    assert any(not torch.equal(value, first[name]) for name, value in inherited.discriminator.state_dict().items())
    pairs = zip(inherited.teacher.state_dict().values(), own.teacher.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pixel_weight": -1.0}, "weights from 0"),
        ({"teacher_steps": 0}, "from 1"),
        ({"teacher_batch_size": 0}, "from 1"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        student(data(), **options)


def test_a_teacher_of_other_networks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = data()
    found: Any = DCGAN(**read.spec, base_channels=8, latent_dim=6)
    monkeypatch.setattr("leyden.gan.noise_to_image.trained_dcgan.technique_of", lambda *_: found)
    with pytest.raises(ValueError, match=r"than this run: set model\.teacher_channels=8$"):
        fit(student(read, teacher="outputs/gan_dcgan"), read, tmp_path)
    found = nn.Linear(1, 1)
    with pytest.raises(ValueError, match=r"a run of Linear: give a run of model=gan/dcgan"):
        fit(student(read, teacher="outputs/gan_dcgan"), read, tmp_path)


def test_samples_stand_beside_the_teacher_s() -> None:
    model = student(data())
    rows, images, _ = model.sample(2, seed=1)
    assert [row["sample"] for row in rows] == [0, 1]
    assert images[0].shape[-1] >= 256
    assert torch.equal(images[0], model.sample(2, seed=1).images[0])
