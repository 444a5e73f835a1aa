"""Real images of few labels, generated ones beside them: counts, seeds, whose labels the GAN sees, records."""

import logging
from pathlib import Path

import pytest
import torch
import yaml

from leyden.core.allow_list import NotAllowedError
from leyden.data.images import ImageDataModule
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.image_patches import ImagePatches
from leyden.data.splits import fit_image, labels_of
from leyden.gan.base import AdversarialTask
from leyden.gan.generated_images import GeneratedImages
from leyden.gan.noise_to_image.conditional import ConditionalGAN
from leyden.gan.noise_to_image.dcgan import DCGAN
from training import quiet_trainer

SMALL = {"base_channels": 2, "latent_dim": 4, "label_dim": 2}
FACTS = {"class_names": [str(i) for i in range(10)], "channels": 1, "image_size": 16}


def made(**values) -> GeneratedImages:
    settings = {"image_size": 16, "per_class": 3, "gan_steps": 1, "gan_options": SMALL}
    source = GeneratedImages(Digits(), **{**settings, **values})
    source.prepare()
    return source


def record(folder: Path, technique: AdversarialTask, target: str | None = None) -> Path:
    (folder / "checkpoints").mkdir(parents=True)
    trainer = quiet_trainer()
    trainer.strategy.connect(technique)
    trainer.save_checkpoint(folder / "checkpoints" / "best.ckpt", weights_only=True)
    name = target or f"{type(technique).__module__}.{type(technique).__name__}"
    (folder / "config.yaml").write_text(yaml.safe_dump({"model": {"_target_": name}}))
    return folder


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.5, 15), (1.0, 30), (2.0, 60)])
def test_share_counts_against_the_real_ones(share: float, count: int) -> None:
    images, labels = made(share=share).split("train").columns
    assert images.shape == (30 + count, 1, 16, 16)
    assert labels[:30].bincount().tolist() == [3] * 10
    if share in (1.0, 2.0):
        assert labels[30:].bincount().tolist() == [3 * share] * 10


def test_real_images_are_the_source_s() -> None:
    images, labels = made().split("train").columns
    own = Digits().split("train").columns
    enlarged = fit_image(own.images, 16, 1)
    for image, label in zip(images[:30], labels[:30], strict=True):
        same = (enlarged == image).flatten(1).all(1)
        assert same.any()
        assert (own.labels[same] == label).all()


def test_validation_and_test_are_real() -> None:
    for stage in ("val", "test"):
        found, own = made().split(stage), Digits().split(stage)
        assert torch.equal(labels_of(found), own.columns.labels)
        assert torch.equal(found[5].images, fit_image(own[5].images, 16, 1))


def test_a_seed_draws_labels_and_images() -> None:
    before = torch.get_rng_state()
    first, same, other = (made(seed=seed).split("train").columns.images for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first[:30], other[:30])
    assert not torch.equal(first[30:], other[30:])
    assert torch.equal(torch.get_rng_state(), before)


def test_the_gan_sees_the_few_labels_alone(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    made()
    assert "learns from 30 images" in caplog.text
    made(gan_sees_all=True)
    assert "learns from 1078 images" in caplog.text
    caplog.clear()
    made(share=0.0)
    assert "learns" not in caplog.text


def test_a_trained_gan_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    first = made(cache=str(tmp_path)).split("train").columns
    assert "trained before" not in caplog.text
    again = made(cache=str(tmp_path)).split("train").columns
    assert "trained before" in caplog.text
    assert torch.equal(first.images, again.images)
    made(cache=str(tmp_path), share=2.0)
    assert len(list(tmp_path.iterdir())) == 1
    made(cache=str(tmp_path), per_class=4)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_record_generates_each_class(tmp_path: Path) -> None:
    """Also where the GAN has the classes in another order, or more of them."""
    names = [*FACTS["class_names"][::-1], "letter"]
    gan = ConditionalGAN(**{**FACTS, "class_names": names}, **SMALL)
    images, labels = made(gan=str(record(tmp_path / "run", gan))).split("train").columns
    wanted = torch.tensor([names.index(str(label)) for label in labels[30:].tolist()])
    noise = gan.sampler.noise(30, torch.Generator().manual_seed(0))
    seen = {int(label): gan.generate(noise, torch.full((30,), int(label))).float().mean(0) for label in wanted.unique()}
    for image, label in zip(images[30:].float(), wanted.tolist(), strict=True):
        distances = {other: (image - mean).square().mean().item() for other, mean in seen.items()}
        assert distances[label] < 3 * min(distances.values()) + 50
    assert images[30:].float().std(0).max() > 0


@pytest.mark.parametrize(
    ("technique", "message"),
    [
        (DCGAN(**FACTS, base_channels=2, latent_dim=4), "DCGAN, which generates no images of a class"),
        (ConditionalGAN(**{**FACTS, "class_names": ["0", "1"]}, **SMALL), "generates 0, 1, the data have '2' as well"),
    ],
)
def test_an_unfit_record_names_the_cure(technique: AdversarialTask, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"{message}.*data\.source\.gan=train"):
        made(gan=str(record(tmp_path / "run", technique)))


def test_a_record_runs_no_foreign_code(tmp_path: Path) -> None:
    folder = record(tmp_path / "run", ConditionalGAN(**FACTS, **SMALL), target="os.path.join")
    with pytest.raises(NotAllowedError, match=r"data\.source\.gan"):
        made(gan=str(folder))


def test_bad_settings_name_the_key(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"data\.source\.share=-1"):
        made(share=-1)
    with pytest.raises(ValueError, match=r"data\.source\.per_class=500, but class"):
        made(per_class=500)
    with pytest.raises(ValueError, match=r"data\.source\.gan_steps=0"):
        made(gan_steps=0)
    with pytest.raises(FileNotFoundError, match=r"data\.source\.gan"):
        made(gan=str(tmp_path))
    with pytest.raises(ValueError, match="no classes to generate"):
        GeneratedImages(ImagePatches()).prepare()


def test_a_data_module_takes_it() -> None:
    data = ImageDataModule(GeneratedImages(Digits(), per_class=3, image_size=16, gan_steps=1, gan_options=SMALL))
    data.prepare_data()
    assert data.spec == {"class_names": FACTS["class_names"], "channels": 1, "image_size": 16}
    assert len(data.split("train")) == 60
