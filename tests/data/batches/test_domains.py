from pathlib import Path

import pytest
import torch
from lightning import LightningModule, Trainer
from torch import Tensor

from leyden.data.batches.domains import DomainImages, Domains
from leyden.data.columns import Images, LabelledImages
from leyden.data.source import ImageSource
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.image_patches import ImagePatches
from leyden.data.splits import InMemory

COUNTS = {"train": 20, "val": 4, "test": 6}


class Target(ImageSource):
    """Coloured 6x6 images of 7 and 3, classes of digits in another order; each is as bright as its label."""

    name, channels, image_size = "target", 3, 6

    def __init__(self, *names: str) -> None:
        self.class_names = list(names or ("7", "3"))

    def split(self, stage: str) -> InMemory[LabelledImages]:
        labels = torch.arange(COUNTS[stage]) % len(self.class_names)
        images = (100 * labels).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 6, 6)
        return InMemory(LabelledImages(images.contiguous(), labels))


@pytest.mark.parametrize("in_memory", [True, False])
def test_training_never_sees_a_label_of_the_target(in_memory: bool) -> None:
    data = DomainImages(Digits(), Target(), batch_size=5, in_memory=in_memory)
    data.prepare_data()
    batch = next(iter(data.train_dataloader()))
    assert isinstance(batch, Domains)
    assert batch.target._fields == ("images",)
    assert data.target_split()[0]._fields == ("images",)
    assert batch.source.images.shape == batch.target.images.shape == (5, 1, 8, 8)
    assert batch.source.labels.shape == (5,)


def test_validation_is_of_the_source_and_the_test_of_the_target() -> None:
    data = DomainImages(Digits(), Target())
    assert sum(len(batch.labels) for batch in data.val_dataloader()) == 180
    (test,) = data.test_dataloader()
    assert test.images.shape == (6, 1, 8, 8)
    assert test.labels.tolist() == [7, 3, 7, 3, 7, 3]  # by the names that the source knows them by
    assert data.spec == {"class_names": list("0123456789"), "channels": 1, "image_size": 8}


def test_an_epoch_is_a_pass_over_the_source() -> None:
    data = DomainImages(Digits(), Target(), batch_size=8)
    assert len(data.train_dataloader()) == 1078 // 8


def test_domains_are_shuffled_apart() -> None:
    batch = next(iter(DomainImages(Digits(), Digits(), batch_size=8).train_dataloader()))
    assert not torch.equal(batch.source.images, batch.target.images)


def test_overfitting_shows_the_same_images_again() -> None:
    data = DomainImages(Digits(), Target(), batch_size=4)
    data.trainer = Trainer(accelerator="cpu", overfit_batches=1, logger=False, enable_checkpointing=False)
    loader = data.train_dataloader()
    for _ in range(2):
        batch = next(iter(loader))
        assert torch.equal(batch.source.images, data.split("train").columns.images[:4])
        assert torch.equal(batch.target.images, data.target_split().columns.images[:4])


def test_classes_that_the_source_lacks_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"target has a class 'x' that the source digits has not.*data/source@data.target=image_folder"
    ):
        DomainImages(Digits(), Target("3", "x")).test_dataloader()


def test_a_target_without_classes_is_tested_without() -> None:
    data = DomainImages(Digits(), ImagePatches(8, train=20, val=2, test=2), batch_size=4)
    data.prepare_data()
    data.setup("fit")
    assert next(iter(data.train_dataloader())).target.images.shape == (4, 1, 8, 8)
    (test,) = data.test_dataloader()
    assert test._fields == ("images",)
    assert test.images.shape == (2, 1, 8, 8)
    with pytest.raises(ValueError, match=r"target_labels=2: the target image_patches has no labels; put its images"):
        DomainImages(Digits(), ImagePatches(8), target_labels=2).pairs()


def test_the_fingerprint_is_of_both() -> None:
    assert DomainImages(Digits(), Target()).fingerprint != DomainImages(Digits(), Target("7")).fingerprint


class Sees(LightningModule):
    """Learns nothing and keeps what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: Domains, index: int) -> Tensor:
        assert isinstance(batch.target, Images)
        self.seen.append((batch.source.images, batch.target.images))
        return self.weight

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.mark.parametrize("stop", [3, 7])
def test_both_domains_resume_at_their_place(stop: int, tmp_path: Path) -> None:
    off = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "limit_val_batches": 0}

    def run(steps: int, resume: bool = False) -> Sees:
        model = Sees()
        trainer = Trainer(accelerator="cpu", max_steps=steps, limit_train_batches=4, default_root_dir=tmp_path, **off)  # type: ignore[arg-type]
        data = DomainImages(Digits(), Target(), batch_size=8, seed=3)
        trainer.fit(model, data, ckpt_path=tmp_path / "a.ckpt" if resume else None)
        trainer.save_checkpoint(tmp_path / "a.ckpt")
        return model

    whole, first, then = run(10).seen, run(stop).seen, run(10, resume=True).seen
    assert len(first) + len(then) == len(whole) == 10
    for expected, got in zip(whole, [*first, *then], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(expected, got, strict=True))
